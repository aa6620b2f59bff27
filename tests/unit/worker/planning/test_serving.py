"""How a worker serves models of the published sizes on several cards; nothing is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.domain.catalog import Catalog, model_entry
from jobs.domain.installed import InstalledMode, InstalledModel, InstalledText
from jobs.domain.memory import GIB, class_gib
from jobs.errors import SettingsError
from worker.device.budget import plan_budget
from worker.device.discovery import Device
from worker.errors import BudgetError, EncoderError, WeightsError
from worker.options import WorkerOptions
from worker.planning.encoder_placement import EncoderPlacement
from worker.planning.serving import EncoderPlan, ServingPlan, plan_serving

NUMBERS = {"full": 1_042_878_811, "lite": 460_851_803}
NAME = "hy-motion-1.0"


def text(*, here: bool = True) -> InstalledText:
    """The published encoder's sizes."""
    return InstalledText(
        folder=Path("/m/text") if here else None,
        revision="te-0123456789ab",
        bytes=16_900_000_000,
        qwen_bytes=16_381_470_720,
        clip_bytes=492_000_000,
        files={},
        linked=True,
    )


def catalog(*modes: str, encoder: InstalledText | None) -> Catalog:
    """A machine where the published model was imported."""
    found = {
        mode: InstalledMode(
            folder=Path("/m") / mode, revision=f"st-{mode}", sha256="", config_sha256="",
            bytes=NUMBERS[mode] * 4, numbers=NUMBERS[mode], linked=False,
        )
        for mode in modes
    }  # fmt: skip
    model = InstalledModel(NAME, Path("/m"), "", found, encoder, {}, ())
    return Catalog({NAME: {mode: model.revision(mode) for mode in found}}, {NAME: model})


BOTH = catalog("full", "lite", encoder=text())


def card(gib: float, capability: tuple[int, int] = (8, 0)) -> Device:
    return Device("cuda:0", "card", int(gib * GIB), capability=capability)


def serving(device: Device, models: Catalog = BOTH, **options: object) -> ServingPlan:
    given = WorkerOptions(models=(NAME,), **options)  # type: ignore[arg-type]  # as the test says
    return plan_serving(given, device=device, budget=plan_budget(device, None), catalog=models)


def encoder(found: ServingPlan) -> EncoderPlan:
    (model,) = found.models
    assert model.encoder is not None
    return model.encoder


def placement(found: ServingPlan) -> EncoderPlacement:
    return encoder(found).placement


@pytest.mark.parametrize(
    ("gib", "capability", "dtype", "expected", "together"),
    [
        (80, (9, 0), "bfloat16", EncoderPlacement.RESIDENT, True),  # H100
        (40, (8, 0), "bfloat16", EncoderPlacement.RESIDENT, True),  # A100
        (24, (8, 6), "bfloat16", EncoderPlacement.RESIDENT, True),  # A10
        (20, (8, 9), "bfloat16", EncoderPlacement.STAGED, True),
        (32, (7, 0), "float16", EncoderPlacement.REMOTE, True),  # V100: no bfloat16
        (16, (7, 0), "float16", EncoderPlacement.REMOTE, True),
        (8, (8, 9), "bfloat16", EncoderPlacement.REMOTE, True),
        (4, (8, 9), "bfloat16", EncoderPlacement.REMOTE, False),
        (8, (6, 1), "float32", EncoderPlacement.REMOTE, True),
    ],
)
def test_what_a_card_does(
    gib: float, capability: tuple[int, int], dtype: str, expected: EncoderPlacement, together: bool
) -> None:
    found = serving(card(gib, capability))
    assert found.models[0].dtype == dtype
    assert placement(found) is expected
    assert found.together is together


def test_an_eight_gigabyte_card_takes_full_in_float32_and_its_longest_motions() -> None:
    device = card(8, (6, 1))
    found = serving(device)
    need = class_gib(model_entry(NAME).profiles["full"].need(360))
    assert need * GIB <= plan_budget(device, None) - found.kept


def test_what_stays_is_not_offered() -> None:
    device = card(24, (8, 6))
    resident = serving(device)
    assert resident.kept == 16_381_470_720 + 492_000_000
    exact = serving(device, dtype="float32")
    assert placement(exact) is EncoderPlacement.STAGED
    assert exact.kept == NUMBERS["full"] * 4 + 100_000_000 - 2_190_000_000
    assert serving(device, text_plan="cached").kept == 0


def test_jobs_wait_in_the_class_of_the_encoder() -> None:
    published = encoder(serving(card(8))).demand
    assert (published.gib, published.revision) == (20, "te-0123456789ab")
    found = serving(card(24, (8, 6)), quantise="int8")
    smaller = encoder(found).demand
    assert (smaller.gib, smaller.revision) == (12, "te-0123456789ab+int8")
    assert found.models[0].revisions["full"] == "st-full+te-0123456789ab+int8"


def test_what_is_needed_to_encode_is_missed_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(EncoderError, match="cannot keep it in int4"):
        serving(Device("cpu", "CPU", 64 * GIB), quantise="int4")
    monkeypatch.setattr("worker.planning.serving.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"transformers: pip install 'hymo\[official\]'.*cached"):
        serving(card(80))
    assert placement(serving(card(80), text_plan="cached")) is EncoderPlacement.CACHED
    assert placement(serving(card(8))) is EncoderPlacement.REMOTE


def test_without_the_encoders_files_nothing_is_encoded() -> None:
    known = catalog("full", encoder=text(here=False))
    found = serving(card(80), known)
    assert placement(found) is EncoderPlacement.CACHED
    assert (found.demands[NAME].revision, found.demands[NAME].gib) == ("te-0123456789ab", 20)
    with pytest.raises(SettingsError, match="--text-revision"):
        serving(card(80), catalog("full", encoder=None))


def test_one_mode_is_enough_and_none_is_refused() -> None:
    (model,) = serving(card(24), catalog("lite", encoder=text())).models
    assert model.revisions == {"lite": "st-lite+te-0123456789ab"}
    with pytest.raises(WeightsError, match="only lite"):
        serving(card(24), catalog("lite", encoder=text()), modes=("full",))


def test_a_network_that_cannot_fit_is_refused_at_once() -> None:
    with pytest.raises(BudgetError, match=r"full takes that in float32.*raise --memory"):
        serving(card(5, (6, 1)))
    assert serving(card(5, (6, 1)), modes=("lite",)).models[0].revisions == {
        "lite": "st-lite+te-0123456789ab"
    }


def test_packs_have_the_room_that_everything_else_leaves() -> None:
    full, lite = (NUMBERS[mode] * 2 + 100_000_000 for mode in ("full", "lite"))
    encoder_bytes = 16_381_470_720 + 492_000_000
    resident = card(24, (8, 6))
    budget = plan_budget(resident, None)
    room = serving(resident).room
    assert room == {
        (NAME, "full"): budget - encoder_bytes - lite,
        (NAME, "lite"): budget - encoder_bytes - full,
    }
    staged = serving(resident, text_plan="staged").room
    assert staged == {(NAME, "full"): budget - lite, (NAME, "lite"): budget - full}
    small = card(4)
    assert not serving(small).together
    assert set(serving(small).room.values()) == {plan_budget(small, None)}
    exact = serving(resident, dtype="float32", modes=("full",))
    assert exact.room == {(NAME, "full"): budget - exact.kept}


def test_the_published_model_is_served_by_default_where_it_is() -> None:
    device = card(80)
    given = WorkerOptions()
    found = plan_serving(given, device=device, budget=plan_budget(device, None), catalog=BOTH)
    assert [model.name for model in found.models] == [NAME, "tiny"]
    assert found.models[1].encoder is None
    nothing = plan_serving(
        given, device=device, budget=plan_budget(device, None), catalog=Catalog()
    )
    assert [model.name for model in nothing.models] == ["tiny"]
