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
from worker.planning.serving import ServingPlan, plan_serving

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


def house(device: Device, models: Catalog = BOTH, **options: object) -> ServingPlan:
    given = WorkerOptions(models=(NAME,), **options)  # type: ignore[arg-type]  # as the test says
    return plan_serving(given, device=device, budget=plan_budget(device, None), catalog=models)


def plan(found: ServingPlan) -> EncoderPlacement:
    (serving,) = found.servings
    assert serving.texts is not None
    return serving.texts.plan


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
    found = house(card(gib, capability))
    assert found.servings[0].dtype == dtype
    assert plan(found) is expected
    assert found.together is together


def test_an_eight_gigabyte_card_takes_full_in_float32_and_its_longest_motions() -> None:
    device = card(8, (6, 1))
    found = house(device)
    need = class_gib(model_entry(NAME).profiles["full"].need(360))
    assert need * GIB <= plan_budget(device, None) - found.kept


def test_what_stays_is_not_offered() -> None:
    device = card(24, (8, 6))
    resident = house(device)
    assert resident.kept == 16_381_470_720 + 492_000_000
    exact = house(device, dtype="float32")
    assert plan(exact) is EncoderPlacement.STAGED
    assert exact.kept == NUMBERS["full"] * 4 + 100_000_000 - 2_190_000_000
    assert house(device, text_plan="cached").kept == 0


def test_jobs_wait_in_the_class_of_the_encoder() -> None:
    (serving,) = house(card(8)).servings
    assert serving.texts is not None
    assert (serving.texts.demand.gib, serving.texts.demand.revision) == (20, "te-0123456789ab")
    (smaller,) = house(card(24, (8, 6)), quantise="int8").servings
    assert smaller.texts is not None
    assert smaller.texts.demand.gib == 12
    assert smaller.texts.demand.revision == "te-0123456789ab+int8"
    assert smaller.revisions["full"] == "st-full+te-0123456789ab+int8"


def test_what_is_needed_to_encode_is_missed_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(EncoderError, match="cannot keep it in int4"):
        house(Device("cpu", "CPU", 64 * GIB), quantise="int4")
    monkeypatch.setattr("worker.planning.serving.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"transformers: pip install 'hymo\[official\]'.*cached"):
        house(card(80))
    assert plan(house(card(80), text_plan="cached")) is EncoderPlacement.CACHED
    assert plan(house(card(8))) is EncoderPlacement.REMOTE


def test_without_the_encoders_files_nothing_is_encoded() -> None:
    known = catalog("full", encoder=text(here=False))
    found = house(card(80), known)
    assert plan(found) is EncoderPlacement.CACHED
    assert (found.demands[NAME].revision, found.demands[NAME].gib) == ("te-0123456789ab", 20)
    with pytest.raises(SettingsError, match="--text-revision"):
        house(card(80), catalog("full", encoder=None))


def test_one_mode_is_enough_and_none_is_refused() -> None:
    (serving,) = house(card(24), catalog("lite", encoder=text())).servings
    assert serving.revisions == {"lite": "st-lite+te-0123456789ab"}
    with pytest.raises(WeightsError, match="only lite"):
        house(card(24), catalog("lite", encoder=text()), modes=("full",))


def test_a_network_that_cannot_fit_is_refused_at_once() -> None:
    with pytest.raises(BudgetError, match=r"full takes that in float32.*raise --memory"):
        house(card(5, (6, 1)))
    assert house(card(5, (6, 1)), modes=("lite",)).servings[0].revisions == {
        "lite": "st-lite+te-0123456789ab"
    }


def test_the_published_model_is_served_by_default_where_it_is() -> None:
    device = card(80)
    given = WorkerOptions()
    found = plan_serving(given, device=device, budget=plan_budget(device, None), catalog=BOTH)
    assert [serving.model for serving in found.servings] == [NAME, "tiny"]
    assert found.servings[1].texts is None
    nothing = plan_serving(
        given, device=device, budget=plan_budget(device, None), catalog=Catalog()
    )
    assert [serving.model for serving in nothing.servings] == ["tiny"]
