"""The pipeline: prompts in, motions out."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from hymotion.sampling.guard import EXPLODING, Guard
from hymotion.sampling.guidance import Guidance
from hymotion.sampling.noise import draw_pack
from hymotion.sampling.request import Request
from hymotion.sampling.solver import EulerSolver, MakeWatch, OnStep, VelocityWatch
from hymotion.text import TextEncoder


@dataclass(frozen=True)
class Identity:
    """Which model this is.

    Attributes:
        model: its name, such as "tiny".
        mode: "full", "lite", or "custom" for a size that is neither.
        revision: tells apart weights that give different motions.
        trained: false where the weights are random and the motions mean nothing.
    """

    model: str
    mode: str
    revision: str
    trained: bool


class Pipeline:
    """One loaded model on one device.

    Requests of different lengths, guidance and prompts go through one forward pass together (a
    pack); each comes out as it would alone, but for rounding.
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
        mean, std = flow.mean.float().cpu(), flow.std.float().cpu()
        self.decoder = Decoder(mean=mean, std=std, plant_feet=config.plant_feet)
        self._flow = _placed(flow, device, dtype.dtype)
        self._products = dtype.products
        self._encoder = encoder
        self._make_watch = watch

    @property
    def train_frames(self) -> int:
        """The longest motion, in frames."""
        return self.config.network.train_frames

    @property
    def text_widths(self) -> tuple[int, int]:
        """(Dv, Dc), the features of a prompt that the model takes."""
        return self.config.network.vtxt_input_dim, self.config.network.ctxt_input_dim

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights on the device."""
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
        """One call of the velocity field: see `VelocityField.forward`; float32 on the CPU.

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
            on_step: called with (step, total) after each step; what it raises passes through.
            trim: compute only the longest request's frames and the longest prompt's tokens.
                False computes the full padding of training, which is slower and gives the same.

        Returns:
            B latents (frames, 201), float32 on the CPU.

        Raises:
            RequestError: a request does not suit this model or the rest of the pack.
            NumericsError: a velocity is not finite or far too large; carries the step and the
                requests. Seen within two steps: see `hymotion.sampling.guard`.
        """
        self._check_pack(requests, conditionings)
        if not requests:
            return []
        # Weights never need a gradient; inference mode also spares autograd's book-keeping.
        with torch.inference_mode(), self._products(), attention():
            guidance, noise = self._prepare(requests, conditionings, trim=trim)
            solver = EulerSolver(steps=self._steps(requests[0]))
            watch = self._watch(requests, frames=noise.shape[1], total=solver.steps)
            state = solver.solve(guidance, noise, watch=watch, on_step=on_step).cpu()
        return [
            latent[: request.frames].clone()
            for latent, request in zip(state, requests, strict=True)
        ]

    def decode(self, latents: Sequence[Tensor]) -> list[Motion]:
        """Motions of normalised latents (L, 201), each on the ground."""
        return [self.decoder.decode(latent.detach().cpu()) for latent in latents]

    def sample(self, requests: Sequence[Request], *, on_step: OnStep | None = None) -> list[Motion]:
        """Encode, denoise and decode a pack; see `denoise` for what can go wrong."""
        prompts = [request.prompt for request in requests if request.prompt is not None]
        encoded = iter(self.encode(prompts) if prompts else [])
        conditionings = [
            request.conditioning if request.conditioning is not None else next(encoded)
            for request in requests
        ]
        return self.decode(self.denoise(requests, conditionings, on_step=on_step))

    def _prepare(
        self, requests: Sequence[Request], conditionings: Sequence[TextConditioning], *, trim: bool
    ) -> tuple[Guidance, Tensor]:
        network = self.config.network
        longest = max(request.frames for request in requests)
        length = longest if trim else network.train_frames
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
        noise = draw_pack(
            [request.seed for request in requests],
            frames=length,
            train_frames=network.train_frames,
            width=network.input_dim,
        )
        return guidance, noise.to(self.device)

    def _watch(self, requests: Sequence[Request], *, frames: int, total: int) -> VelocityWatch:
        lengths = torch.tensor([request.frames for request in requests], device=self.device)
        same = all(request.frames == frames for request in requests)
        return self._make_watch(
            total=total,
            limits=tuple(EXPLODING * max(1.0, self._scale(request)) for request in requests),
            valid=None if same else length_mask(lengths, frames),
        )

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
                f"{request.frames} frames are more than model {self.model} was made for",
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
    """The model on its device, its weights in `dtype` but those that should stay float32."""
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
