"""The pipeline: prompts in, motions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.config import ModelConfig
from hymotion.decoding import Decoder
from hymotion.device import Precision, attention
from hymotion.errors import EncoderMissingError, RequestError
from hymotion.network.attention import length_mask
from hymotion.network.flow import FlowModel
from hymotion.network.fused.support import fused_on
from hymotion.sampling.fused import FusedGuidance
from hymotion.sampling.guard import EXPLODING, Guard
from hymotion.sampling.guidance import Guidance
from hymotion.sampling.noise import draw_pack
from hymotion.sampling.prepared import FusedPathError, FusedVelocity, PreparedPack
from hymotion.sampling.request import Request
from hymotion.sampling.solver import EulerSolver, MakeWatch, OnStep, Velocity
from hymotion.sampling.stepgraph import GraphMemory, StepGraph
from hymotion.text import TextEncoder


@dataclass(frozen=True)
class Identity:
    """Which model this is.

    Attributes:
        model: its name, such as "tiny".
        mode: "full", "lite", or "custom" for a size that is neither.
        revision: identifies the weights; weights that give different motions have different ones.
        trained: false if the weights are random, so the motions are meaningless.
    """

    model: str
    mode: str
    revision: str
    trained: bool


class Pipeline:
    """One loaded model on one device.

    Requests with different lengths, guidance scales and prompts share one forward pass (a pack);
    each result equals that of sampling the request alone, up to rounding.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        config: ModelConfig,
        flow: FlowModel,
        encoder: TextEncoder | None,
        device: torch.device,
        dtype: Precision,
        watch: MakeWatch = Guard,
        fused: bool = True,
    ) -> None:
        dtype.check(device)
        self.model = identity.model
        self.mode = identity.mode
        self.revision = identity.revision
        self.trained = identity.trained
        self.config = config
        self.device = device
        self.precision = dtype.name
        self.dtype = dtype.dtype
        # Decoding is in float64, which not every kind of accelerator has.
        decodes = device if device.type == "cuda" else torch.device("cpu")
        mean, std = (each.float().to(decodes) for each in (flow.mean, flow.std))
        self.decoder = Decoder(mean=mean, std=std, plant_feet=config.plant_feet)
        self._flow = _placed(flow, device, dtype.dtype)
        self._fused, self.eager_because = (
            fused_on(self._flow.motion_transformer, device) if fused else (None, "not asked for")
        )
        on_gpu = self._fused is not None and device.type == "cuda"
        self._graphs = GraphMemory(device) if on_gpu else None
        self._products = dtype.products
        self._encoder = encoder
        self._make_watch = watch

    @property
    def train_frames(self) -> int:
        """The longest motion, in frames."""
        return self.config.network.train_frames

    @property
    def text_widths(self) -> tuple[int, int]:
        """(Dv, Dc), the widths of the text features that the model takes."""
        return self.config.network.vtxt_input_dim, self.config.network.ctxt_input_dim

    @property
    def weight_bytes(self) -> int:
        """Size of the weights on the device, in bytes."""
        return self._flow.weight_bytes()

    def encode(self, prompts: Sequence[str]) -> list[TextConditioning]:
        """Encode prompts, on the CPU in float32.

        Raises:
            EncoderMissingError: the model came without a text encoder.
        """
        if self._encoder is None:
            raise EncoderMissingError(
                f"model {self.model} was loaded without the text encoder it was trained with "
                f"({self.config.text_encoder})",
                mend="Pass encoder= to hymotion.load(), or give each Request a conditioning",
            )
        return self._encoder.encode(prompts)

    def velocity(self, x: Tensor, t: Tensor, text: TextBatch, frames: Tensor) -> Tensor:
        """One evaluation of the velocity field, float32 on the CPU; see `VelocityField.forward`.

        Args:
            x: (B, L, 201) noisy motion.
            t: (B,) flow time.
            text: of B samples.
            frames: (B,) valid frames.
        """
        with torch.inference_mode(), self._products(), attention():
            text = text.to(self.device, self.dtype)
            context = self._flow.prepare(text, frames.to(self.device), length=x.shape[1])
            velocity = self._flow.velocity(x.to(self.device), t.to(self.device), context)
            return velocity.float().cpu()

    def denoise(
        self,
        requests: Sequence[Request],
        conditionings: Sequence[TextConditioning],
        *,
        on_step: OnStep | None = None,
        trim: bool = True,
    ) -> list[Tensor]:
        """Sample a pack of normalised latents.

        Args:
            requests: B requests with the same number of steps.
            conditionings: the B encoded prompts.
            on_step: called with (step, total) after each step; its exceptions propagate.
            trim: compute only the longest request's frames and the longest prompt's tokens.
                False pads to the training lengths, which is slower and gives the same result.

        Returns:
            B latents (frames, 201), float32 on the CPU.

        Raises:
            RequestError: a request does not suit this model or the rest of the pack.
            NumericsError: a velocity is not finite or far too large; carries the step and the
                requests. Raised within two steps: see `hymotion.sampling.guard`.
        """
        if not requests and not conditionings:
            return []
        prepared = self.prepare(requests, conditionings, trim=trim)
        return [latent.cpu() for latent in self.solve(prepared, on_step=on_step)]

    def prepare(
        self,
        requests: Sequence[Request],
        conditionings: Sequence[TextConditioning],
        *,
        trim: bool = True,
    ) -> PreparedPack:
        """All that `solve` needs of a pack, on the device; arguments and errors of `denoise`.

        It may be called while another pack is solved.
        """
        self._check_pack(requests, conditionings)
        # Inference mode also avoids autograd's bookkeeping, which no_grad alone keeps.
        with torch.inference_mode(), self._products(), attention():
            velocity, noise = self._prepare(requests, conditionings, trim=trim)
            lengths = torch.tensor([request.frames for request in requests], device=self.device)
            same = all(request.frames == noise.shape[1] for request in requests)
            return PreparedPack(
                frames=tuple(request.frames for request in requests),
                steps=self._steps(requests[0]),
                velocity=velocity,
                noise=noise,
                limits=tuple(EXPLODING * max(1.0, self._scale(request)) for request in requests),
                valid=None if same else length_mask(lengths, noise.shape[1]),
                again=partial(self.prepare, requests, conditionings, trim=trim),
            )

    def solve(self, pack: PreparedPack, *, on_step: OnStep | None = None) -> list[Tensor]:
        """Sample a prepared pack: its latents, float32 on the device; see `denoise`.

        On a GPU they may still be computed when this returns. If the fused path fails, this and all
        further packs are computed without it, and `eager_because` says why.
        """
        try:
            return self._solve(pack, on_step)
        except FusedPathError as error:
            self._fused, self.eager_because = None, str(error)
        return self._solve(pack.again(), on_step)

    def _solve(self, pack: PreparedPack, on_step: OnStep | None) -> list[Tensor]:
        with torch.inference_mode(), self._products(), attention():
            watch = self._make_watch(total=pack.steps, limits=pack.limits, valid=pack.valid)
            solver = EulerSolver(steps=pack.steps)
            return pack.latents(
                solver.solve(pack.velocity, pack.noise, watch=watch, on_step=on_step)
            )

    def decode(self, latents: Sequence[Tensor]) -> list[Motion]:
        """Decode normalised latents (L, 201) into motions, each placed on the ground.

        All are computed at once; on the GPU if the pipeline is on one.
        """
        return self.decoder.decode([latent.detach() for latent in latents])

    def sample(self, requests: Sequence[Request], *, on_step: OnStep | None = None) -> list[Motion]:
        """Encode, denoise and decode a pack; raises the errors of `encode` and `denoise`."""
        prompts = [request.prompt for request in requests if request.prompt is not None]
        encoded = iter(self.encode(prompts) if prompts else [])
        conditionings = [
            request.conditioning if request.conditioning is not None else next(encoded)
            for request in requests
        ]
        return self.decode(self.denoise(requests, conditionings, on_step=on_step))

    def _prepare(
        self, requests: Sequence[Request], conditionings: Sequence[TextConditioning], *, trim: bool
    ) -> tuple[Velocity, Tensor]:
        network = self.config.network
        longest = max(request.frames for request in requests)
        length = longest if trim else network.train_frames
        noise = draw_pack(
            [request.seed for request in requests],
            frames=length,
            train_frames=network.train_frames,
            width=network.input_dim,
        ).to(self.device)
        if self._fused is not None:
            fused = FusedGuidance.of(
                self._flow,
                self._fused,
                texts=conditionings,
                frames=[request.frames for request in requests],
                scales=[self._scale(request) for request in requests],
                length=length,
                device=self.device,
            )
            if self._graphs is None:
                return FusedVelocity(fused), noise
            return FusedVelocity(StepGraph(fused, self._graphs)), noise
        padded = max(self.config.max_text_tokens, *(text.length for text in conditionings))
        text = TextBatch.of(conditionings, tokens=None if trim else padded)
        text = text.to(self.device, self.dtype)
        guidance = Guidance.of(
            self._flow,
            text=text,
            null=self._flow.unconditional(text),
            frames=torch.tensor([request.frames for request in requests], device=self.device),
            length=length,
            scales=torch.tensor([self._scale(request) for request in requests], device=self.device),
        )
        return guidance, noise

    def _steps(self, request: Request) -> int:
        return self.config.steps if request.steps is None else request.steps

    def _scale(self, request: Request) -> float:
        return self.config.guidance if request.guidance is None else float(request.guidance)

    def _check_pack(
        self, requests: Sequence[Request], conditionings: Sequence[TextConditioning]
    ) -> None:
        if len(requests) != len(conditionings):
            raise RequestError(
                f"{len(requests)} requests came with {len(conditionings)} conditionings",
                mend="Give one conditioning a request, in the same order",
                field="conditionings",
                value=len(conditionings),
            )
        steps = {self._steps(request) for request in requests}
        if len(steps) > 1:
            raise RequestError(
                "the requests of a pack have different numbers of steps",
                mend="Sample requests with equal steps together",
                field="steps",
                value=sorted(steps),
            )
        for request, text in zip(requests, conditionings, strict=True):
            self._check_one(request, text)

    def _check_one(self, request: Request, text: TextConditioning) -> None:
        if request.frames > self.train_frames:
            raise RequestError(
                f"{request.frames} frames are more than model {self.model} supports",
                mend=f"Choose at most {self.train_frames} frames",
                field="frames",
                value=request.frames,
            )
        if text.widths != self.text_widths:
            raise RequestError(
                f"the conditioning has {text.widths} features, model {self.model} takes "
                f"{self.text_widths}",
                mend="Encode the prompt with this model's own text encoder",
                field="conditioning",
                value=text.widths,
            )


def _placed(flow: FlowModel, device: torch.device, dtype: torch.dtype) -> FlowModel:
    """The model on its device with weights in `dtype`, except those that should stay float32."""
    kept = [
        (part, {name: weights.detach() for name, weights in part.named_parameters()})
        for part in flow.motion_transformer.exact_parts
    ]
    null = flow.null_vtxt_feat.detach()
    flow.requires_grad_(False).to(device, dtype).eval()
    for part, parameters in kept:
        for name, weights in parameters.items():
            part.get_parameter(name).data = weights.to(device, torch.float32)
    flow.null_vtxt_feat.data = null.to(device, torch.float32)
    return flow
