"""The life of a small firm, drawn at random from a seed: who joins, moves, leaves, is suspended or attacked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from time import monotonic
from typing import Any

from reconciler.clock import now
from tests.deadly import killed
from tests.firm import PROFILE, ROLE, Firm, Holder
from tests.keys import SIGNING, TOKENS, Key, laid
from tests.openbao import a_desk

ROLES = ("rfq-trader", "order-entry")
SHORT = {"ttl": "300s", "renewBefore": "120s"}  # renewed when a third is left: so long may a step take
FEWEST, MOST = 3, 9  # people who have a manifest


@dataclass(slots=True)
class Person:
    """What the manifests say of somebody, and what was done to them."""

    roles: list[str]
    credentials: list[str]  # to log in with
    signs: bool = False  # with a key in the HSM token
    status: str = "active"
    held: bool = False  # somebody else contained them, and nobody released them
    burned: set[str] = field(default_factory=set)  # credentials whose key somebody else revoked
    settled: bool = False  # an apply has been by since
    arrived: bool = False  # has an entity: whoever is suspended before the first apply gets none
    tokens: list[Holder] = field(default_factory=list)  # of logins that were made

    @property
    def works(self) -> bool:
        return self.status == "active" and not self.held


@dataclass(slots=True)
class Life:
    """One firm, what it ought to be, and everything that must never work again."""

    firm: Firm
    random: Random
    ageing: bool = False  # whether some certificates live so shortly that the life outlasts them
    people: dict[str, Person] = field(default_factory=dict)
    graves: list[Holder] = field(default_factory=list)  # certificates whose power was taken, with their keys
    dead_tokens: list[Holder] = field(default_factory=list)
    applied: float = 0.0  # when the last apply began to look
    records: int = 0
    deaths: int = 0
    said: list[str] = field(default_factory=list)  # what happened, for whoever reads a failure
    numbers: int = 0

    def begin(self) -> None:
        self.firm.profiles = {"short": "trader-short", "signing": "trade-signing"}
        self.firm.tokens = {"signing": "trade"}
        a_desk(self.firm.admin)
        policy = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
        self.firm.configure(policy=policy, hsmTokens=TOKENS)
        laid(self.firm)
        self.firm.manifest("CertificateProfile", "trade-signing", SIGNING)
        self.firm.manifest("Role", "order-entry", {**ROLE, "permissions": ["order.enter"]})
        self.firm.manifest("CertificateProfile", "trader-short", {**PROFILE, **SHORT})
        for _ in range(FEWEST):
            self.join()
        self.settle()

    def step(self) -> None:
        """One to three things happen, then somebody runs `apply`; it may be killed and run again."""
        for _ in range(self.random.randint(1, 3)):
            ways: list[Callable[[], None]] = [
                self.join, self.leave, self.move, self.suspend, self.reinstate, self.rehire,
                self.revoke, self.disable, self.take_a_key, self.release, self.lose_a_login, self.add_a_policy,
                self.log_in, self.contain,
            ]  # fmt: skip
            self.random.choice(ways)()
        if self.random.random() < 0.4:
            at, side = self.random.randint(1, 25), self.random.choice(["before", "after"])
            died = killed(self.firm, at, side)
            self.note(f"apply killed {side} call {at}" if died else "apply")
            self.deaths += died
            self.records += 1  # the interrupted run is sealed by the next one
        self.settle()

    def settle(self) -> None:
        self.applied = monotonic()
        self.firm.apply()
        self.records += 1
        for person in self.people.values():
            person.settled = True
            person.arrived = person.arrived or person.works

    # -- what happens in the firm

    def join(self) -> None:
        if len(self.people) < MOST:
            self.numbers += 1
            self.hire(f"p{self.numbers}")

    def hire(self, name: str) -> None:
        second = "short" if self.ageing else "second"
        credentials = self.random.choice([["mtls"], [second], ["mtls", second]])
        person = Person(self.random.choice([["rfq-trader"], list(ROLES), []]), credentials)
        person.signs = self.random.random() < 0.5
        self.people[name] = person
        self.firm.trader(name, credentials=credentials + ["signing"] * person.signs, roles=person.roles)
        self.note(f"{name} joins with {credentials}{' and a key in the token' * person.signs}")

    def leave(self) -> None:
        name = self.somebody()
        if name is None or len(self.people) <= FEWEST:
            return
        person = self.people[name]
        self.bury(name)
        how = self.random.choice(["deleted", "left", "ended"])
        if how == "deleted":
            self.firm.leave(name)
            del self.people[name]
        else:
            person.status = "left"
            end = {"end": "2026-01-31"} if how == "ended" else {"status": "left"}
            self.firm.change(name, employment={"start": "2024-02-01", "status": "active", **end})
        self.note(f"{name} leaves: {how}")

    def rehire(self) -> None:
        """Under the same name, with new keys."""
        gone = sorted(n for n, p in self.people.items() if p.status == "left")
        if gone and (name := self.random.choice(gone)) and not self.people[name].held:
            for file in (self.firm.home / "keys").glob(f"{name}-*"):
                file.unlink()
            self.hire(name)

    def move(self) -> None:
        if (name := self.somebody()) is not None and self.people[name].status == "active":
            self.people[name].roles = self.random.choice([["order-entry"], ["rfq-trader"], list(ROLES)])
            self.firm.change(name, roles=self.people[name].roles)
            self.note(f"{name} moves to {self.people[name].roles}")

    def suspend(self) -> None:
        if (name := self.somebody()) is not None and self.people[name].status == "active":
            self.bury(name)
            self.people[name].status, self.people[name].settled = "suspended", False
            self.firm.change(name, employment={"start": "2024-02-01", "status": "suspended"})
            self.note(f"{name} is suspended")

    def reinstate(self) -> None:
        # Nobody knows of a suspension that no apply has seen.
        suspended = sorted(n for n, p in self.people.items() if p.status == "suspended" and p.settled)
        if suspended:
            name = self.random.choice(suspended)
            self.people[name].status = "active"
            self.firm.change(name, employment={"start": "2024-02-01", "status": "active"})
            self.note(f"{name} is back from suspension")

    # -- what is done behind our back, and by the holders

    def revoke(self) -> None:
        if (name := self.worker()) is not None:
            holder = self.firm.holder(name, self.random.choice(self.people[name].credentials))
            self.bury(name)
            body = {"serial_number": holder.certificate.serial}
            self.firm.admin.ok("POST", f"{self.firm.estate.mounts.pki}/revoke", body)
            self.hold(name)
            self.people[name].burned.add(holder.role.rsplit(".", 1)[-1])
            self.note(f"somebody revokes a certificate of {name}")

    def disable(self) -> None:
        if (name := self.worker()) is not None:
            self.bury(name)
            self.firm.admin.ok("POST", f"identity/entity/name/{self.entity(name)}", {"disabled": True})
            self.hold(name)
            self.note(f"somebody disables {name}")

    def take_a_key(self) -> None:
        if (name := self.worker()) is not None and self.people[name].signs:
            self.bury(name)
            key, for_good = Key(self.firm, name), self.random.random() < 0.5
            if for_good:
                key.destroy(self.firm.admin)
            else:
                self.firm.admin.ok("DELETE", f"{key.path}/soft-delete")
            self.hold(name)
            self.note(f"somebody {'destroys' if for_good else 'deactivates'} the key of {name}")

    def release(self) -> None:
        held = sorted(n for n, p in self.people.items() if p.held and p.settled and p.status == "active")
        if held:
            name = self.random.choice(held)
            self.firm.idac("release", f"trader/{name}", "--reason", "INC-1", "--auto-approve", code=0)
            self.people[name].held = False
            self.records += 1
            for credential in sorted(self.people[name].burned):  # that key is certified no more
                self.firm.key(name, credential).unlink()
                self.firm.key(name, credential)
            self.people[name].burned.clear()
            self.note(f"{name} is released")

    def contain(self) -> None:
        if (name := self.worker()) is not None:
            self.bury(name)
            self.firm.idac("contain", f"trader/{name}", "--reason", "INC-2", code=0)
            self.hold(name)
            self.records += 1
            self.note(f"the desk has {name} contained")

    def lose_a_login(self) -> None:
        if (name := self.worker()) is not None:
            role = f"trader.{name}.{self.random.choice(self.people[name].credentials)}"
            self.firm.admin.ok("DELETE", f"auth/{self.firm.estate.mounts.cert}/certs/{role}")
            self.note(f"somebody deletes the login {role}")

    def add_a_policy(self) -> None:
        if (name := self.worker()) is not None:
            policies = [*self.policies(name), "default"]
            self.firm.admin.ok("POST", f"identity/entity/name/{self.entity(name)}", {"policies": policies})
            self.note(f"somebody gives {name} another policy")

    def log_in(self) -> None:
        if (name := self.worker()) is not None:
            holder = self.firm.holder(name, self.random.choice(self.people[name].credentials))
            if holder.login() == 200:
                self.people[name].tokens.append(holder)

    def hold(self, name: str) -> None:
        self.people[name].held, self.people[name].settled = True, False

    # -- what there is

    def note(self, text: str) -> None:
        self.said.append(text)

    def somebody(self) -> str | None:
        present = sorted(n for n, p in self.people.items() if p.status != "left")
        return self.random.choice(present) if present else None

    def worker(self) -> str | None:
        """Somebody whose identity stands in the server as the manifests say."""
        entities = set(self.firm.admin.list("identity/entity/name").keys)
        names = sorted(n for n, p in self.people.items() if p.works and self.entity(n) in entities)
        people = self.people
        names = [n for n in names if all(self.delivered(n, c) for c in people[n].credentials)]
        names = [n for n in names if not people[n].signs or self.delivered(n, "signing")]
        return self.random.choice(names) if names else None

    def entity(self, name: str) -> str:
        return f"{self.firm.estate.prefix}trader.{name}"

    def policies(self, name: str) -> list[str]:
        prefix, person = self.firm.estate.prefix, self.people[name]
        return sorted([f"{prefix}role-{role}" for role in person.roles] + [f"{prefix}own-keys"] * person.signs)

    def delivered(self, name: str, credential: str) -> bool:
        path = f"{self.firm.estate.mounts.kv}/data/certificates/trader.{name}.{credential}"
        return self.firm.admin.read(path).status == 200

    def bury(self, name: str) -> None:
        """Keep what this person holds now: none of it may ever work again, whatever they get later."""
        person = self.people[name]
        self.dead_tokens += person.tokens
        person.tokens = []
        for credential in person.credentials:
            if self.delivered(name, credential):
                holder = self.firm.holder(name, credential)
                copy = self.firm.home / f"grave-{len(self.graves)}"
                holder.chain = shutil.copyfile(holder.chain, copy.with_suffix(".pem"))
                holder.key = shutil.copyfile(holder.key, copy.with_suffix(".key"))
                self.graves.append(holder)

    def live(self) -> dict[str, list[str]]:
        """Serials that the CA would still call good, by common name."""
        pki, admin = self.firm.estate.mounts.pki, self.firm.admin
        revoked = set(admin.list(f"{pki}/certs/revoked").keys)
        details: dict[str, Any] = admin.list(f"{pki}/certs/detailed").data.get("key_info") or {}
        soon = now() + timedelta(seconds=1)
        found: dict[str, list[str]] = {}
        for serial, facts in details.items():
            if serial not in revoked and facts["common_name"].startswith("trader."):
                if facts["not_after"] > soon.strftime("%Y-%m-%dT%H:%M:%SZ"):
                    found.setdefault(facts["common_name"], []).append(serial)
        return found
