"""A Qdrant server for tests: the REST interface that Freshet uses, in front of the real engine (qdrant_edge). Requests go through the strict
models of Qdrant's own client first, so that a misspelt field is refused here as it is there.

    python server.py            prints {"port": N} once it listens, on 127.0.0.1, and ends when its standard input does

It shows what requests mean. It has one shard and no cluster, keeps nothing, and is no measure of speed."""

import json
import os
import shutil
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import qdrant_edge as q
from pydantic import ValidationError
from qdrant_client.http import models

import convert

VERSION = "1.19.0"
# Nothing is to survive: a folder in memory spares the engine its waits for a disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
VERBOSE = "QDRANT_DOUBLE_VERBOSE" in os.environ


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Collection:
    def __init__(self, config):
        self.config = config
        self.fields = {}
        self.lock = threading.Lock()
        self.path = tempfile.mkdtemp(prefix="freshet-qdrant-", dir=MEMORY)
        self.shard = q.EdgeShard.create(self.path, convert.config(config))

    def locked(self, work):
        with self.lock:
            try:
                return work(self.shard)
            except convert.Unknown as error:
                raise Refused(501, str(error))
            except Exception as error:
                # Like the server, which says in the same words what it was given.
                raise Refused(404 if "No point with id" in str(error) else 400, str(error))

    def drop(self):
        with self.lock:
            self.shard.close()
            shutil.rmtree(self.path, ignore_errors=True)


class Store:
    def __init__(self):
        self.lock = threading.Lock()
        self.collections = {}
        self.aliases = {}

    def get(self, name):
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, name, body):
        with self.lock:
            if name in self.collections:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            if name in self.aliases:
                raise Refused(400, f"Wrong input: Can't create collection with name {name}. Alias with the same name already exists")
            self.collections[name] = Collection(body)
        return True

    def delete(self, name):
        with self.lock:
            found = self.collections.pop(name, None)
            self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        if found is not None:
            found.drop()
        return found is not None

    def change_aliases(self, actions):
        with self.lock:
            aliases = dict(self.aliases)
            for action in actions:
                if "create_alias" in action:
                    one = action["create_alias"]
                    if one["collection_name"] not in self.collections:
                        raise Refused(404, f"Not found: Collection `{one['collection_name']}` doesn't exist!")
                    if one["alias_name"] in self.collections:
                        raise Refused(409, "Wrong input: a collection has the name of the alias")
                    aliases[one["alias_name"]] = one["collection_name"]
                else:
                    aliases.pop(action["delete_alias"]["alias_name"], None)
            self.aliases = aliases
        return True


STORE = Store()


def info(collection):
    config = collection.config
    return {
        "status": "green",
        "optimizer_status": "ok",
        "points_count": collection.locked(lambda shard: shard.count(q.CountRequest(exact=True))),
        "segments_count": 1,
        "config": {
            "params": {
                "vectors": config.get("vectors", {}),
                "sparse_vectors": config.get("sparse_vectors", {}),
                "shard_number": config.get("shard_number", 1),
                "replication_factor": config.get("replication_factor", 1),
                "write_consistency_factor": config.get("write_consistency_factor", 1),
            }
        },
        "payload_schema": collection.fields,
    }


def create_index(collection, body):
    schema = body["field_schema"]
    collection.locked(lambda shard: shard.update(convert.field_index(body["field_name"], schema)))
    kind = schema if isinstance(schema, str) else schema["type"]
    collection.fields[body["field_name"]] = {"data_type": kind, "points": 0}
    return {"operation_id": 0, "status": "completed"}


def delete_index(collection, field):
    collection.locked(lambda shard: shard.update(q.UpdateOperation.delete_field_index(field)))
    collection.fields.pop(field, None)
    return {"operation_id": 0, "status": "completed"}


def batch(collection, body):
    # One after the other, and others may come between them: a batch is no transaction.
    for operation in body["operations"]:
        collection.locked(lambda shard: shard.update(convert.update(operation)))
    return [{"operation_id": 0, "status": "completed"} for _ in body["operations"]]


def points(collection, body):
    found = collection.locked(lambda shard: shard.retrieve(body["ids"], body.get("with_payload", True), False))
    return [convert.record(one) for one in found]


def scroll(collection, body):
    found, offset = collection.locked(lambda shard: shard.scroll(convert.scroll(body)))
    return {"points": [convert.record(one) for one in found], "next_page_offset": None if offset is None else str(offset)}


def query(collection, body):
    found = collection.locked(lambda shard: shard.query(convert.query(body)))
    return {"points": [convert.scored(one) for one in found]}


def count(collection, body):
    request = q.CountRequest(exact=True, filter=convert.filter_of(body.get("filter")))
    return {"count": collection.locked(lambda shard: shard.count(request))}


ON_POINTS = {
    "": (models.PointRequest, points),
    "/scroll": (models.ScrollRequest, scroll),
    "/query": (models.QueryRequest, query),
    "/count": (models.CountRequest, count),
    "/batch": (models.UpdateOperations, batch),
}


def checked(model, body):
    try:
        model.model_validate(body)
    except ValidationError as error:
        raise Refused(400, f"Format error in JSON body: {error}")
    return body


def route(method, path, body):
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if path == "/collections" and method == "GET":
        return {"collections": [{"name": name} for name in STORE.collections]}
    if path == "/collections/aliases" and method == "POST":
        return STORE.change_aliases(checked(models.ChangeAliasesOperation, body)["actions"])
    if path == "/aliases" and method == "GET":
        return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in STORE.aliases.items()]}
    if parts[0] != "collections" or len(parts) < 2:
        raise Refused(404, "no such path")
    name, rest = parts[1], "/".join(parts[2:])
    if rest == "":
        if method == "GET":
            return info(STORE.get(name))
        if method == "PUT":
            return STORE.create(name, checked(models.CreateCollection, body))
        if method == "DELETE":
            return STORE.delete(name)
    if rest == "exists" and method == "GET":
        return {"exists": STORE.aliases.get(name, name) in STORE.collections}
    if rest == "index" and method == "PUT":
        return create_index(STORE.get(name), checked(models.CreateFieldIndex, body))
    if rest.startswith("index/") and method == "DELETE":
        return delete_index(STORE.get(name), rest[len("index/"):])
    if rest.startswith("points") and method == "POST":
        model, work = ON_POINTS[rest[len("points"):]]
        return work(STORE.get(name), checked(model, body))
    raise Refused(501, f"the double does not know {method} {path}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: an answer in two waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length > 0 else None
        split = urlsplit(self.path)
        parse_qs(split.query)
        try:
            if split.path == "/":
                self.send(200, {"title": "qdrant - vector search engine", "version": VERSION})
            else:
                self.send(200, {"result": route(self.command, split.path, body), "status": "ok", "time": 0})
        except Refused as error:
            if VERBOSE:
                print(f"{self.command} {self.path}: {error}", file=sys.stderr, flush=True)
            self.send(error.status, {"status": {"error": str(error)}, "time": 0})

    def send(self, status, value):
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_DELETE = answer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    sys.stdin.read()
    server.shutdown()
    for collection in list(STORE.collections.values()):
        collection.drop()


if __name__ == "__main__":
    main()
