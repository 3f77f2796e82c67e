"""Holds JSON documents against the schemas of an OpenAPI 3.0 description: the part of it that ours uses."""

import json
import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
KNOWN = {"$ref", "type", "description", "example", "default", "nullable", "enum", "pattern", "properties", "required",
         "additionalProperties", "items", "minItems", "maxItems"}


class Description:
    def __init__(self, document):
        self.document = document

    def operation(self, method, path):
        return self.document["paths"][path][method.lower()]

    def check(self, method, path, status, content_type, body):
        """What is wrong with an answer; [] when it is as described."""
        responses = self.operation(method, path)["responses"]
        if str(status) not in responses:
            return ["%s %s: status %s is not described" % (method, path, status)]
        content = responses[str(status)].get("content")
        if content is None:
            return ["a body, and none is described"] if body else []
        if content_type.partition(";")[0] not in content:
            return ["%s %s: content type %s is not described" % (method, path, content_type)]
        schema = content[content_type.partition(";")[0]]["schema"]
        return self.mistakes(schema, json.loads(body) if "json" in content_type else body.decode())

    def mistakes(self, schema, value, where="$"):
        unknown = set(schema) - KNOWN
        if unknown:
            raise AssertionError("%s: this checker does not know %s" % (where, unknown))
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.mistakes(self.document["components"]["schemas"][name], value, where)
        if value is None:
            return [] if schema.get("nullable") else [where + ": null"]
        kind = schema.get("type")
        if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))):
            return ["%s: %r is no %s" % (where, value, kind)]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append("%s: %r is none of %s" % (where, value, schema["enum"]))
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append("%s: %r does not fit %s" % (where, value, schema["pattern"]))
        if kind == "object":
            properties = schema.get("properties", {})
            found += ["%s: %s is missing" % (where, name) for name in schema.get("required", ()) if name not in value]
            for name, member in value.items():
                if name in properties:
                    found += self.mistakes(properties[name], member, where + "." + name)
                elif schema.get("additionalProperties") is False:
                    found.append("%s: %s is not described" % (where, name))
        elif kind == "array":
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                found.append("%s: %d items" % (where, len(value)))
            for index, item in enumerate(value):
                found += self.mistakes(schema["items"], item, "%s[%d]" % (where, index))
        return found
