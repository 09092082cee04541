"""Calls the simulated APSIS One over real HTTP, and reads its files with the standard library alone."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.sandbox import Sandbox

MAIN, LOYALTY = "usercreated.sections.main-x1", "usercreated.sections.loyalty-x2"
EMAIL = "com.apsis1.attributes.email"
EXPORTS, REPORTS = "/audience/profiles/exports", "/emails/reports"
# The clock of the tests' sandbox stands twenty hours after the end of it.
DAY = Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
NOON = Window(DAY.start + timedelta(hours=12), DAY.start + timedelta(hours=14))


@dataclass
class ApsisCaller:
    """Calls with a good token, unless told another one."""

    sandbox: Sandbox
    session: requests.Session = field(default_factory=requests.Session)
    bearer: str | None = None
    began_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.began_at = self.sandbox.clock.now()

    @property
    def base(self) -> str:
        return f"{self.sandbox.url}/apsis"

    @property
    def options(self) -> Any:
        return self.sandbox.options.apsis

    def token(self, **changes: object) -> requests.Response:
        asked = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        return self.session.post(f"{self.base}/oauth/token", json={**asked, **changes}, timeout=30)

    def login(self) -> None:
        self.bearer = self.token().json()["access_token"]

    def headers(self, **more: str) -> dict[str, str]:
        if self.bearer is None:
            self.login()
        return {"Authorization": f"Bearer {self.bearer}", **more}

    def get(self, path: str, *, stream: bool = False, encoding: str = "identity") -> requests.Response:
        """Of a path of the vendor, or of a whole address."""
        url = path if path.startswith("http") else self.base + path
        headers = self.headers(**{"Accept-Encoding": encoding})
        return self.session.get(url, headers=headers, stream=stream, timeout=60)

    def post(self, path: str, body: object) -> requests.Response:
        return self.session.post(self.base + path, json=body, headers=self.headers(), timeout=30)

    def items(self, path: str) -> list[dict[str, Any]]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def section_order(self, section: str, attributes: Sequence[str] | None = None, **changes: Any) -> dict[str, Any]:
        """An order of everything in a section."""
        path = f"/audience/sections/{section}"
        named = [item["discriminator"] for item in self.items(f"{path}/attributes")]
        return {
            "section_discriminator": section,
            "attribute_discriminators": named if attributes is None else attributes,
            "tag_discriminators": [item["discriminator"] for item in self.items(f"{path}/tags")],
            "event_discriminators": [item["discriminator"] for item in self.items(f"{path}/events")],
            **changes,
        }

    def everything(self, window: Window = NOON) -> dict[str, Any]:
        """A profile order of all there is."""
        bounds = {"start_at": iso(window.start), "end_at": iso(window.end)}
        return {"sections": [self.section_order(MAIN), self.section_order(LOYALTY)], "events": bounds}

    def ordered(self, body: object) -> str:
        """The poll URL of a profile export that is ready."""
        answer = self.post(EXPORTS, body)
        assert answer.status_code == 202, answer.text
        self.wait()
        url: str = answer.json()["file_download_url"]
        return url

    def wait(self, seconds: float = 5) -> None:
        self.sandbox.clock.move(timedelta(seconds=seconds))

    def rewind(self) -> None:
        """Sets the clock back, so that the next order is made at the same moment as the first."""
        self.sandbox.clock.set(self.began_at)

    def raw_profiles(self, body: object | None = None, window: Window = NOON) -> bytes:
        answer = self.get(self.ordered(body or self.everything(window)))
        assert answer.status_code == 200, answer.text[:500]
        return answer.content

    def profiles(self, body: object | None = None, window: Window = NOON) -> dict[str, Any]:
        """The profiles of a file by export key, as any JSON reader has them: the last one of a key wins."""
        found: dict[str, Any] = json.loads(self.raw_profiles(body, window))["profiles"]
        return found

    def reported(self, window: Window = NOON, section: str = MAIN, **more: Any) -> str:
        """The id of an e-mail report that is ready; what is None is not said."""
        asked = {"section_discriminator": section, "start_at": iso(window.start), "end_at": iso(window.end), **more}
        answer = self.post(REPORTS, {name: value for name, value in asked.items() if value is not None})
        assert answer.status_code == 202, answer.text
        self.wait()
        report: str = answer.json()["report_id"]
        return report

    def status(self, report: str, query: str = "") -> dict[str, Any]:
        answer = self.get(f"{REPORTS}/{report}{query}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def packed_emails(self, window: Window = NOON, section: str = MAIN, **more: Any) -> bytes:
        url = self.status(self.reported(window, section, **more))["file_download_url"]
        answer = requests.get(url, timeout=60)
        assert answer.status_code == 200, answer.text[:500]
        return answer.content

    def emails(self, window: Window = NOON, section: str = MAIN, **more: Any) -> list[dict[str, str]]:
        text = gzip.decompress(self.packed_emails(window, section, **more)).decode()
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def events(profiles: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Export key, section and event of all events of a file."""
    for key, profile in profiles.items():
        for section, content in profile["sections"].items():
            for event in content["events"]:
                yield key, section, event
