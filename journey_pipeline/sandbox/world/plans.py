"""What a journey is drawn from: steps, waits, splits and ways to leave, and the plans that the shop uses.

A plan is a sequence; a split ends it, for each branch goes on by itself. Not here: ids and versions (`catalog.py`),
what may go wrong in a step (`failures.py`), and all the ways through a plan (`routes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Step:
    """A step that everyone who comes by goes through.

    Attributes:
        type: Activity type as journey history spells it, lower case.
        name: As the marketer wrote it; may be empty.
        failing: Share that fails here and leaves the journey.
        status: What history says when it went well.
        outcome: What the step found out, where it finds out something.
        waits_h: Hours that the contact stays here.
        leaving: Share that takes the step, and leaves with it; the others go past it without a trace. None: everyone
            takes it and goes on.
    """

    type: str
    name: str = ""
    failing: float = 0.0
    status: str = "Complete"
    outcome: str = ""
    waits_h: int = 0
    leaving: float | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One way out of a split: the share that takes it, what history calls it, and what comes then."""

    share: float
    outcome: str
    plan: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A decision and its branches; the last node of a plan."""

    type: str
    name: str
    branches: tuple[Branch, ...]


Node: TypeAlias = Step | Split
Plan: TypeAlias = tuple[Node, ...]

END = Step("stopinteractionactivity")  # without a name: the vendor no longer shows it when it went well
_ENTER = Step("startinteractionactivity", "Entry", failing=0.01)
_TRIGGER = Step("trigger", "Trigger: sign-up", failing=0.005)
_GOAL = Step("goalcriteriaactivity", "Goal: bought again", leaving=0.06)
_LEFT = Step("exitcriteriaactivity", "Exit: unsubscribed", leaving=0.03)

WELCOME: Plan = (
    _TRIGGER,
    _ENTER,
    Step("emailv2", "Mail 1, hello", failing=0.03),
    Step("waitactivity", "Wait a day", waits_h=24),
    _LEFT,
    Split(
        "engagementdecision",
        'Opened "Mail 1"?',
        (
            Branch(0.45, "opened", (_GOAL, Step("emailv2", "Mail 2: thanks 🎉", failing=0.02), END)),
            Branch(
                0.55,
                "not_opened",
                (
                    Step("waitactivity", "Wait, one\nmore day", waits_h=24),
                    Step("smssync", "SMS\tnudge", failing=0.04),
                    END,
                ),
            ),
        ),
    ),
)
CART: Plan = (
    _ENTER,
    Step("waitactivity", "Wait 1 hour", waits_h=1),
    _GOAL,
    Split(
        "randomsplit",
        "50/50, mail or push",
        (
            Branch(0.5, "path_1", (Step("emailv2", "=Cart reminder", failing=0.02), END)),
            Branch(
                0.5,
                "path_2",
                (
                    Step("pushnotificationactivity", "Push: your cart", failing=0.05),
                    Step("inappsyncactivity", "In-app card"),
                    END,
                ),
            ),
        ),
    ),
)
WIN_BACK: Plan = (
    _ENTER,
    Step("multicriteriadecision", "  Is it a big spender?  ", outcome="Remainder"),
    Step("abntest", "Subject test", outcome="B"),
    Step("emailv2", "We miss you, שלום", failing=0.04),
    Step("stowait", "Send time: best hour", waits_h=3),
    Step("abnteststop", "Subject test: winner", outcome="B"),
    _LEFT,
    Step("einsteinengagementfrequencysplit", "Saturated?", outcome="On target"),
    Step("rest", "Loyalty points (custom)", failing=0.03),
    Step("waitactivity", "Wait two days", waits_h=48),
    _GOAL,
    Step("emailv2", "Last call; really", failing=0.02),
    Step("stopinteractionactivity", "Journey end"),
)
SERVICE: Plan = (
    _TRIGGER,
    Step("whatsappactivity", "WhatsApp: order shipped", failing=0.05),
    Step("restdecision", "Ask the CRM", outcome="yes"),
    Step("salescloudactivity", "Create a case", failing=0.02),
    Step("salesforceleadactivity", "Update the lead"),
    Step("updatecontactdata", failing=0.08),
    Step("pushsync", "Push sync"),
    Step("pushinboxactivity", "Inbox message"),
    Step("waitactivity", "Wait 3 hours", waits_h=3),
    Step("smssync", "SMS: how was it?", failing=0.03, status="Bypassed"),
    END,
)
ADS: Plan = (
    _ENTER,
    Step("activeaudiencejourneyactivity", "Audience: look-alikes", failing=0.02),
    Step("multicriteriadecisionextension", "Segment, by model", outcome="Path 2"),
    Step("quantumsplitactivity", "Beta split", outcome="left"),
    Step("waitactivity", "Wait a day", waits_h=24),
    _LEFT,
    Step("updatecontactdata", "Mark as seen", failing=0.01),
    END,
)

# Plan, entry's source, and the share of all entries; a catalogue with more journeys goes through them again and again.
PLANS: tuple[tuple[Plan, str, float], ...] = (
    (WELCOME, "APIEvent", 3.0),
    (CART, "APIEvent", 4.0),
    (WIN_BACK, "DataExtension", 2.0),
    (SERVICE, "SalesforceDataEvent", 2.0),
    (ADS, "Audience", 1.0),
)
