"""Talking native REST to a sandbox portal with nothing but http.client."""

import http.client
import json
import threading
from urllib.parse import quote, urlencode, urlsplit

DEAL = ["crm", "CCrmDocumentDeal", "DEAL_1"]
START = "bizproc.workflow.start"


class Answer:
    """An answer that came whole."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {name.lower(): value for name, value in headers}, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def result(self):
        return self.json["result"]

    @property
    def said(self):
        """Status, code and text of an error, whose body has exactly two keys."""
        assert list(self.json) == ["error", "error_description"]
        return self.status, self.json["error"], self.json["error_description"]


class Rest:
    """One sandbox, asked natively; one kept-alive connection for each thread."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.root = urlsplit(sandbox.webhook_url).path if sandbox.webhook_url else "/rest/"
        self._local = threading.local()

    def send(self, path, body=None, *, verb="POST", kind="application/json", timeout=5.0):
        """One request to that path, as it is; an exception where no whole answer came."""
        kept = getattr(self._local, "connection", None)
        if kept is None:
            kept = self._local.connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port)
        kept.timeout = timeout
        if kept.sock:
            kept.sock.settimeout(timeout)
        try:
            kept.request(verb, path, body, {"Content-Type": kind} if kind else {})
            answer = kept.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        except BaseException:
            kept.close()
            raise

    def call(self, method, /, timeout=5.0, **fields):
        """One call under the first webhook, as JSON."""
        return self.send(f"{self.root}{method}", json.dumps(fields).encode(), timeout=timeout)

    def form(self, method, text, **options):
        """One call under the first webhook, as a form."""
        return self.send(f"{self.root}{method}", text.encode(), kind="application/x-www-form-urlencoded", **options)

    def start(self, entity=1, template=713, timeout=5.0, **parameters):
        document = ["crm", "CCrmDocumentDeal", f"DEAL_{entity}"]
        return self.call(START, timeout=timeout, TEMPLATE_ID=template, DOCUMENT_ID=document, PARAMETERS=parameters)

    def batch(self, commands, halt=0, timeout=5.0):
        return self.call("batch", timeout=timeout, halt=halt, cmd=commands)

    def lines(self, kind=None):
        return [line for line in self.sandbox.ledger() if kind in (None, line["kind"])]

    def committed(self):
        return [line["entityId"] for line in self.sandbox.commits()]


def command(entity=1, template=713, entity_class="CCrmDocumentDeal", third=None, **parameters):
    """A start as a command of a batch, with bracket syntax, values encoded once."""
    third = third or f"DEAL_{entity}"
    fields = [("TEMPLATE_ID", template), ("DOCUMENT_ID[0]", "crm"), ("DOCUMENT_ID[1]", entity_class), ("DOCUMENT_ID[2]", third)]
    fields += [(f"PARAMETERS[{name}]", value) for name, value in parameters.items()]
    return f"{START}?{urlencode(fields, quote_via=quote)}"
