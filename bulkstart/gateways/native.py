"""The native gateway: ``bizproc.workflow.start`` and the calls around it (bitrix24-api.md 1.3 to 1.10, 4.3).

Pure: bytes in, values out. Nothing here raises on any answer, whatever its body holds. Neither the webhook's code nor a token is
known here: the transport adds them (the code in the address, the token as ``auth`` in the body).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bulkstart.gateways import Me, Stopped, batch, existing, questions
from bulkstart.gateways.codes import EXPIRED_TOKEN
from bulkstart.gateways.definitions import read_template
from bulkstart.gateways.documents import document_id
from bulkstart.gateways.envelope import Reply, opened, read_start, read_time
from bulkstart.gateways.questions import call_of
from bulkstart.gateways.running import Running, read_running_row
from bulkstart.model import Answer, Busy, Denied, HttpCall, InDoubt, Json, Refused, StartRequest, Template, Verdict
from bulkstart.operating import Spent
from bulkstart.throttle import RateHint

TEMPLATE_LIST = "bizproc.workflow.template.list"
TEMPLATE_FIELDS = ("ID", "NAME", "MODULE_ID", "ENTITY", "DOCUMENT_TYPE", "AUTO_EXECUTE", "PARAMETERS", "MODIFIED")
"""Everything that we read. ``TEMPLATE`` is the whole activity tree, megabytes of it, and is never asked for (1.4)."""

RUNNING_FIELDS = ("ID", "MODIFIED", "OWNED_UNTIL", "MODULE_ID", "ENTITY", "DOCUMENT_ID", "STARTED", "STARTED_BY", "TEMPLATE_ID")


@dataclass(frozen=True, slots=True)
class Native:
    """The native dialect. ``portal``: the portal's own domain, from its address; ``oauth``: a token that can be renewed."""

    portal: str = ""
    oauth: bool = False
    dialect: str = "native"
    max_batch: int = batch.LARGEST
    most_ids: int = existing.NATIVE_IDS
    timeout: float = 90.0
    settle: float = 60.0
    late: float = 100.0

    # ------------------------------------------------------------------------------------------------------ starts

    def body(self, request: StartRequest, /) -> dict[str, Any]:
        """The JSON body of a start, without credentials."""
        return body_of(request)

    def start_call(self, requests: Sequence[StartRequest], /) -> HttpCall:
        """The request that starts one workflow, or several as one batch. Raises ``ValueError`` for what is no document."""
        if len(requests) != 1:
            return batch.batch_call(requests)
        return call_of("bizproc.workflow.start", body_of(requests[0]))

    def read_start(self, requests: Sequence[StartRequest], answer: Answer, /) -> list[Verdict]:
        """What the answer to ``start_call(requests)`` proves for each of them."""
        if len(requests) != 1:
            return batch.read_batch(requests, answer, oauth=self.oauth)
        return [read_start(answer, oauth=self.oauth)]

    def fits_batch(self, request: StartRequest, /) -> bool:
        """Whether a start may share its request with others."""
        return batch.fits_batch(request)

    def read_times(self, requests: Sequence[StartRequest], answer: Answer, /) -> list[Spent]:
        """What the answer to ``start_call(requests)`` says of operating time: of each start, of a batch also as a whole."""
        return [read_time(answer)] if len(requests) == 1 else batch.read_times(requests, answer)

    def is_expired(self, answer: Answer, /) -> bool:
        """Whether the answer asks for a new access token."""
        failed = opened(answer, oauth=self.oauth).failed
        return isinstance(failed, Busy) and failed.code == EXPIRED_TOKEN

    def read_warning(self, answer: Answer, /) -> str:  # noqa: ARG002  the native envelope has no warnings
        """``""``: this dialect warns of nothing."""
        return ""

    def read_hint(self, answer: Answer, now: float, /) -> RateHint | None:  # noqa: ARG002  the native API has no such headers
        """``None``: this dialect does not say what is left of its rate."""
        return None

    # --------------------------------------------------------------------------------------------------- questions

    def read(self, answer: Answer, /) -> Reply:
        """An opened answer, for the readers of ``questions``."""
        return opened(answer, oauth=self.oauth)

    def me_call(self) -> HttpCall:
        """Who am I. Source: bitrix24-api 1.10."""
        return questions.profile_call()

    def read_me(self, answer: Answer, /) -> Me | Denied | None:
        """The credential's own page; ``Denied`` where it is refused, ``None`` where the answer cannot be used."""
        reply = self.read(answer)
        if reply.failed:
            return reply.failed if isinstance(reply.failed, Denied) else None
        profile = questions.read_profile(reply)
        return Me(portal=self.portal, user=profile.name or str(profile.user_id), admin=profile.admin) if profile else None

    def plan_call(self) -> HttpCall | None:
        """Which plan the portal has; under a webhook it denies that (1.10), so that it is not asked."""
        return questions.app_call() if self.oauth else None

    def read_bucket(self, answer: Answer, /) -> tuple[float, float] | None:
        """Requests a second and requests at once of the plan; ``None`` where it is not told."""
        app = questions.read_app(self.read(answer))
        return app.bucket if app else None

    def template_paths(self) -> Sequence[str]:
        """The one method that lists templates (1.4)."""
        return (f"/{TEMPLATE_LIST}",)

    def template_call(self, path: str, offset: int, /) -> HttpCall:
        """One page of the template list, 50 of them; ``offset`` as ``read_next`` gave it."""
        return call_of(path.removeprefix("/"), {"SELECT": list(TEMPLATE_FIELDS), "ORDER": {"ID": "ASC"}, "start": offset})

    def read_templates(self, answer: Answer, /) -> tuple[list[Template], int | None] | None:
        """Templates of a page and the total where stated; ``None`` where the answer is no list."""
        reply = self.read(answer)
        rows = _rows(reply.result)
        if rows is None:
            return None
        return [template for row in rows if (template := read_template(row)) is not None], _count(reply.payload.get("total"))

    def read_next(self, answer: Answer, /) -> int | None:
        """Where the next page begins; ``None`` on the last one."""
        return _count(self.read(answer).payload.get("next")) or None

    # ---------------------------------------------------------------------------------------------- running workflows

    def running_call(self, offset: int, template_id: int | None, /) -> HttpCall:
        """One page of the running list by id, which never changes: pages do not shift while workflows move (6).

        The portal drops a filter that it does not know, without a word: what comes must be filtered once more (1.6).
        """
        wanted = {} if template_id is None else {"TEMPLATE_ID": template_id}
        asked: dict[str, Any] = {"SELECT": list(RUNNING_FIELDS), "ORDER": {"ID": "ASC"}, "FILTER": wanted, "start": offset}
        return call_of("bizproc.workflow.instances", asked)

    def read_running(self, answer: Answer, /) -> tuple[list[Running], int | None] | None:
        """The living workflows of a page and the total where stated; ``None`` where the answer is no list."""
        reply = self.read(answer)
        rows = _rows(reply.result)
        if rows is None:
            return None
        return [running for row in rows if (running := read_running_row(row)) is not None], _count(reply.payload.get("total"))

    def exist_call(self, entity_type: str, ids: Sequence[int], /) -> HttpCall | None:
        """The request that tells which entities exist, of up to ``most_ids``; ``None`` for a type that cannot be asked for (1.8)."""
        return existing.native_call(entity_type, ids)

    def read_exist(self, ids: Sequence[int], answer: Answer, /) -> existing.Existing | None:
        """What the answer tells of ``ids``; ``None`` where it tells nothing."""
        return existing.read_native(ids, answer, oauth=self.oauth)

    def stop_call(self, workflow_id: str, /, *, erase: bool) -> HttpCall:
        """End a running workflow: its data are kept, or with ``erase`` they go with it; the id stays a text (1.7)."""
        return call_of(f"bizproc.workflow.{'kill' if erase else 'terminate'}", {"ID": workflow_id})

    def read_stop(self, answer: Answer, /) -> Stopped | Busy | Denied | InDoubt:
        """What an answer proves of the end of a workflow: ``true``, or that no such workflow runs (1.7)."""
        reply = self.read(answer)
        match reply.failed:
            case None if reply.result is True:
                return Stopped()
            case Refused(template_gone=True):  # here the code is about the workflow, not about a template
                return Stopped(before=True)
            case Busy() | Denied() | InDoubt() as verdict:
                return verdict
            case Refused(code, message):
                return InDoubt(code, message)
        return InDoubt("BAD_ANSWER", "the portal did not say that it stopped the workflow")


def body_of(request: StartRequest) -> dict[str, Any]:
    """The JSON body of a start, without credentials. ``PARAMETERS`` is always an object: anything else is dropped (0 no. 5)."""
    return {
        "TEMPLATE_ID": request.template_id,
        "DOCUMENT_ID": document_id(request.entity_type, request.entity_id),
        "PARAMETERS": dict(request.parameters),
    }


def _rows(result: Json) -> Iterable[Any] | None:
    """The rows of a list; some lists come under keys."""
    if isinstance(result, dict) and all(isinstance(row, dict) for row in result.values()):
        return result.values()
    return result if isinstance(result, list) else None


def _count(value: Json) -> int | None:
    number = str(value)
    return int(number) if not isinstance(value, bool) and number.isascii() and number.isdigit() and len(number) < 16 else None  # noqa: PLR2004  beyond any list
