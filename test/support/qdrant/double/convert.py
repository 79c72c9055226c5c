"""JSON of Qdrant's REST interface into the calls of the engine (qdrant_edge), as far as Freshet's index uses it. What is not known here
raises: a request that the double does not understand must fail a test, not pass it."""

import qdrant_edge as q


class Unknown(Exception):
    pass


def only(value, *known):
    unknown = [key for key in value if key not in known and value[key] is not None]
    if unknown:
        raise Unknown(f"the double does not know {unknown}")


# The engine's Python binding takes False for the integer 0 in a match. A boolean is matched by a text beside it, which nobody else sees.
SHADOW = "bool_of_"


def payload_in(value):
    return {**value, **{SHADOW + key: str(one) for key, one in value.items() if isinstance(one, bool)}}


def payload_out(value):
    return {key: one for key, one in (value or {}).items() if not key.startswith(SHADOW)}


def condition(value):
    if "key" in value:
        only(value, "key", "match", "range")
        wanted = (value.get("match") or {}).get("value")
        if isinstance(wanted, bool):
            return q.FieldCondition(SHADOW + value["key"], match=q.MatchValue(str(wanted)))
        return q.FieldCondition(value["key"], match=match(value.get("match")), range=number_range(value.get("range")))
    if "is_empty" in value:
        return q.IsEmptyCondition(value["is_empty"]["key"])
    if "has_id" in value:
        return q.HasIdCondition(set(value["has_id"]))
    if "nested" in value:
        return q.NestedCondition(value["nested"]["key"], filter_of(value["nested"]["filter"]))
    return filter_of(value)


def match(value):
    if value is None:
        return None
    only(value, "value", "any")
    return q.MatchValue(value["value"]) if "value" in value else q.MatchAny(value["any"])


def number_range(value):
    return None if value is None else q.RangeFloat(**value)


def conditions(value):
    if value is None:
        return None
    return [condition(one) for one in (value if isinstance(value, list) else [value])]


def filter_of(value):
    if value is None:
        return None
    only(value, "must", "should", "must_not")
    return q.Filter(
        must=conditions(value.get("must")),
        should=conditions(value.get("should")),
        must_not=conditions(value.get("must_not")),
    )


def vector(value):
    if isinstance(value, dict):
        return q.SparseVector(value["indices"], value["values"])
    return value


def vectors(value):
    return {name: vector(one) for name, one in value.items()}


def point(value):
    return q.Point(value["id"], vectors(value["vector"]), payload_in(value.get("payload") or {}))


def expression(value):
    e = q.Expression
    if isinstance(value, (int, float)):
        return e.Constant(float(value))
    if isinstance(value, str):
        return e.Variable(value)
    if "sum" in value:
        return e.Sum([expression(one) for one in value["sum"]])
    if "mult" in value:
        return e.Mult([expression(one) for one in value["mult"]])
    if "datetime" in value:
        return e.Datetime(value["datetime"])
    if "datetime_key" in value:
        return e.DatetimeKey(value["datetime_key"])
    if "exp_decay" in value:
        decay = value["exp_decay"]
        only(decay, "x", "target", "midpoint", "scale")
        target = decay.get("target")
        return e.Decay(
            q.DecayKind.Exp,
            expression(decay["x"]),
            None if target is None else expression(target),
            decay.get("midpoint"),
            decay.get("scale"),
        )
    return e.Condition(condition(value))


def scoring(value, using):
    if isinstance(value, list):
        return q.Query.Nearest(value, using=using)
    if "indices" in value:
        return q.Query.Nearest(vector(value), using=using)
    if "rrf" in value:
        only(value["rrf"], "k", "weights")
        return q.Fusion.Rrf(k=value["rrf"]["k"], weights=value["rrf"].get("weights"))
    if "formula" in value:
        return q.Formula(expression(value["formula"]), value.get("defaults"))
    raise Unknown("the double does not know this query")


def prefetches(value):
    if value is None:
        return []
    return [prefetch(one) for one in (value if isinstance(value, list) else [value])]


def prefetch(value):
    only(value, "prefetch", "query", "using", "filter", "limit")
    return q.Prefetch(
        limit=value["limit"],
        query=scoring(value["query"], value.get("using")),
        prefetches=prefetches(value.get("prefetch")),
        filter=filter_of(value.get("filter")),
    )


def query(value):
    only(value, "prefetch", "query", "using", "filter", "limit", "with_payload", "with_vector")
    return q.QueryRequest(
        limit=value["limit"],
        query=scoring(value["query"], value.get("using")),
        prefetches=prefetches(value.get("prefetch")),
        filter=filter_of(value.get("filter")),
        with_payload=value.get("with_payload"),
        with_vector=value.get("with_vector"),
    )


def scroll(value):
    only(value, "filter", "limit", "offset", "order_by", "with_payload", "with_vector")
    order = value.get("order_by")
    return q.ScrollRequest(
        limit=value["limit"],
        offset=value.get("offset"),
        filter=filter_of(value.get("filter")),
        with_payload=value.get("with_payload"),
        with_vector=value.get("with_vector"),
        order_by=None if order is None else q.OrderBy(order["key"], start_from=order.get("start_from")),
    )


def update(value):
    u = q.UpdateOperation
    if "upsert" in value:
        one = value["upsert"]
        only(one, "points", "update_filter")
        return u.upsert_points([point(p) for p in one["points"]], filter_of(one.get("update_filter")))
    if "set_payload" in value:
        one = value["set_payload"]
        only(one, "payload", "filter")
        return u.set_payload_by_filter(filter_of(one["filter"]), payload_in(one["payload"]))
    if "update_vectors" in value:
        one = value["update_vectors"]
        only(one, "points", "update_filter")
        points = [q.PointVectors(p["id"], vectors(p["vector"])) for p in one["points"]]
        return u.update_vectors(points, filter_of(one.get("update_filter")))
    if "delete" in value:
        one = value["delete"]
        only(one, "points", "filter")
        if "points" in one:
            return u.delete_points(one["points"])
        return u.delete_points_by_filter(filter_of(one["filter"]))
    raise Unknown("the double does not know this operation")


INDEX_TYPES = {
    "keyword": q.KeywordIndexParams,
    "integer": q.IntegerIndexParams,
    "float": q.FloatIndexParams,
    "bool": q.BoolIndexParams,
    "datetime": q.DatetimeIndexParams,
}


def field_index(name, schema):
    params = {"type": schema} if isinstance(schema, str) else dict(schema)
    kind = INDEX_TYPES[params.pop("type")]
    return q.UpdateOperation.create_field_index(name, kind(**params))


def config(value):
    dense = {
        name: q.EdgeVectorParams(size=one["size"], distance=getattr(q.Distance, one["distance"]))
        for name, one in value.get("vectors", {}).items()
    }
    sparse = {
        name: q.EdgeSparseVectorParams(modifier=q.Modifier.Idf if one.get("modifier") == "idf" else None)
        for name, one in value.get("sparse_vectors", {}).items()
    }
    # The engine wants a vector where the server does without.
    vectors = dense or {"unused": q.EdgeVectorParams(size=1, distance=q.Distance.Dot)}
    return q.EdgeConfig(vectors=vectors, sparse_vectors=sparse, wal_enabled=False, max_search_threads=1)


def vector_out(value):
    if isinstance(value, q.SparseVector):
        return {"indices": value.indices, "values": value.values}
    if isinstance(value, dict):
        return {name: vector_out(one) for name, one in value.items()}
    return value


def record(value):
    found = {"id": str(value.id), "payload": payload_out(value.payload)}
    if value.vector is not None:
        found["vector"] = vector_out(value.vector)
    return found


def scored(value):
    return {**record(value), "version": value.version, "score": value.score}
