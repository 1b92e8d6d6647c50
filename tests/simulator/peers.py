"""Run one published Bitrix24 client, as it is, against a portal: ``python peers.py CLIENT DEED``, a JSON task on standard input.

Clients: fast_bitrix24, b24pysdk, b24api. Deeds: start, batch, singles (fast_bitrix24), running, templates. Prints what the program that calls the client would
hold in its hands: ``{"result": …}``, or ``{"failed": the exception's name, "said": its text}``.
Needs these packages and trustme, nothing of bulkstart: it is run by whatever interpreter has them.
"""

import json
import os
import socket
import ssl
import sys
import tempfile
import threading

START, LIST, TEMPLATES = "bizproc.workflow.start", "bizproc.workflow.instances", "bizproc.workflow.template.list"
SELECT = ["ID", "DOCUMENT_ID", "TEMPLATE_ID"]


def fields(row):
    """A start as every client is given it."""
    return {
        "TEMPLATE_ID": row["template"],
        "DOCUMENT_ID": ["crm", "CCrmDocumentDeal", f"DEAL_{row['entity']}"],
        "PARAMETERS": row["parameters"],
    }


def fast(task, deed):
    """fast_bitrix24: the synchronous client, quiet."""
    import warnings  # noqa: PLC0415  each client alone

    from fast_bitrix24 import Bitrix  # noqa: PLC0415  each client alone

    warnings.simplefilter("ignore")
    client = Bitrix(task["webhook"], verbose=False)
    if deed == "start":
        return client.call(START, fields(task["rows"][0]))
    if deed == "batch":
        return client.call(START, [fields(row) for row in task["rows"]])
    if deed == "singles":
        return [client.call(START, fields(row)) for row in task["rows"]]
    return client.get_all(LIST if deed == "running" else TEMPLATES, {"select": SELECT if deed == "running" else ["ID", "NAME"]})


def sdk(task, deed):
    """b24pysdk: the official SDK, which speaks https only, so a relay in front of the portal does."""
    import trustme  # noqa: PLC0415  each client alone

    host, _, path = task["webhook"].removeprefix("http://").partition("/")
    authority = trustme.CA()
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as trusted:
        trusted.write(authority.cert_pem.bytes())
    os.environ["REQUESTS_CA_BUNDLE"] = trusted.name
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    port = relay(context, int(host.partition(":")[2]))

    from b24pysdk import BitrixWebhook, Client  # noqa: PLC0415  it reads the environment

    client = Client(BitrixWebhook(domain=f"127.0.0.1:{port}", webhook_token="/".join(path.split("/")[1:3])))

    def start(row):
        sent = fields(row)
        return client.bizproc.workflow.start(sent["TEMPLATE_ID"], sent["DOCUMENT_ID"], parameters=sent["PARAMETERS"])

    if deed == "start":
        return start(task["rows"][0]).result
    if deed == "batch":
        found = client.call_batches({f"r{row['entity']}": start(row) for row in task["rows"]}).result
        return {
            "result": dict(found.result),
            "result_error": {name: str(said) for name, said in dict(found.result_error).items()},
        }
    if deed == "running":
        return list(client.bizproc.workflow.instances(select=SELECT, order={"ID": "ASC"}).as_list().result)
    return list(client.bizproc.workflow.template.list(select=["ID", "NAME"]).as_list().result)


def relay(context, port):
    """Decrypt on a free port and pass on to that one; runs until the process ends."""
    listening = socket.create_server(("127.0.0.1", 0))

    def pipe(source, target):
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                end.close()

    def serve():
        while True:
            taken, _ = listening.accept()
            try:
                near = context.wrap_socket(taken, server_side=True)
            except OSError:
                continue
            far = socket.create_connection(("127.0.0.1", port))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=pipe, args=(source, target), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listening.getsockname()[1]


def api(task, deed):
    """b24api: settings through its own environment variables."""
    os.environ |= {"BITRIX24_API_WEBHOOK_URL": task["webhook"], "BITRIX24_API_RETRY_DELAY": "0.05"}
    from b24api import Bitrix24  # noqa: PLC0415  it reads the environment

    client = Bitrix24()
    if deed == "start":
        return client.call({"method": START, "parameters": fields(task["rows"][0])})
    if deed == "batch":
        return list(client.batch({"method": START, "parameters": fields(row)} for row in task["rows"]))
    parameters = {"select": SELECT, "order": {"ID": "ASC"}} if deed == "running" else {"select": ["ID", "NAME"]}
    return list(client.list_batched({"method": LIST if deed == "running" else TEMPLATES, "parameters": parameters}))


CLIENTS = {"fast_bitrix24": fast, "b24pysdk": sdk, "b24api": api}


def main():
    client, deed = sys.argv[1:]
    task = json.load(sys.stdin)
    try:
        told = {"result": CLIENTS[client](task, deed)}
    except Exception as error:  # noqa: BLE001  whatever the client throws is the finding
        told = {"failed": type(error).__name__, "said": str(error)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
