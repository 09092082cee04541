"""The account's automations and e-mails: what Salesforce's journeys are to `sfmc`, told in APSIS One's words.

A journey's version is an automation, its e-mail steps are e-mail activities, some of them split tests. Not here: the
route that lists them (`definitions.py`), and who got them (`reactions.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from journey_pipeline.sandbox.apsis.account import SECTIONS, Section, version_number
from journey_pipeline.sandbox.world import Activity, Journey, Version, World
from journey_pipeline.sandbox.world.naming import Naming, named

_SUBJECTS = (
    "Hello, you",
    'The "big" sale; 50% off',
    "Two lines,\nreally",
    "Tack för köpet, åäö 🚚",
    "  padded  ",
    "=1+1",
)
_SENDERS = ("Shop", 'Shop, "the" news', "Ängby & Söner")
_LOYALTY_EVERY, _LOYALTY = 5, 2  # of every five journeys the third belongs to the second section
_SPLIT_NAME = "Subject test"


@dataclass(frozen=True)
class EmailActivity:
    """One e-mail that an automation sends.

    Attributes:
        id: Of the main activity.
        number: From 0.
        section: Where its events lie.
        journey: The world's journey.
        version: Its version.
        step: Its step.
        is_split: Whether it tests two subjects before it goes on with the better one.
        names: What its subjects and its sender are called.
    """

    id: str
    number: int
    section: Section
    journey: Journey
    version: Version
    step: Activity
    is_split: bool
    names: Naming

    @property
    def is_listed(self) -> bool:
        """Whether the account still lists it; its events come in any case."""
        return self.version.listed

    @property
    def sender(self) -> str:
        """Name of the sender."""
        return named(_SENDERS[self.number % len(_SENDERS)], self.names)

    def name(self, at_ms: int) -> str:
        """Its name at an instant: every third is renamed every four weeks."""
        name = f"{self.journey.name} / {self.step.name}"
        return f"{name} #{version_number(at_ms)}" if self.number % 3 == 0 else name

    def subject(self, variation: str) -> str:
        """The subject of one of its variations; an empty one is the winner's."""
        subject = named(_SUBJECTS[self.number % len(_SUBJECTS)], self.names)
        return f"{subject} ({variation})" if variation else subject

    def split_id(self, variation: str) -> str:
        """Id of a variation's sub-activity: the main activity's outside of tests and for the winner."""
        return f"{self.id}-{variation.lower()}" if variation else self.id


class Automations:
    """Automations and e-mail activities of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    @cached_property
    def emails(self) -> dict[str, EmailActivity]:
        """The e-mail activities by the world's id of the step, in the order of the catalogue."""
        steps = [
            (journey, version, step)
            for journey in self._world.catalog
            for version in journey.versions
            for step in version.activities
            if step.type.lower() == "emailv2"
        ]
        return {
            step.id: EmailActivity(
                id=f"ea-{step.id[:13]}",
                number=number,
                section=section_of(journey),
                journey=journey,
                version=version,
                step=step,
                is_split=_is_split(version, step),
                names=self._world.names,
            )
            for number, (journey, version, step) in enumerate(steps)
        }


def automation_id(version: Version) -> str:
    """The id of the automation that a version of a journey is here."""
    return f"au-{version.definition_id[:13]}"


def section_of(journey: Journey) -> Section:
    """The section that a journey's events lie in."""
    return SECTIONS[int(journey.key.rpartition("-")[2]) % _LOYALTY_EVERY == _LOYALTY]


def _is_split(version: Version, step: Activity) -> bool:
    """Whether the step that leads to the e-mail is the test of its subject."""
    return any(step.key in before.next_keys and before.name == _SPLIT_NAME for before in version.activities)
