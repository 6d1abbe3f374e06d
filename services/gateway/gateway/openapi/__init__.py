"""The OpenAPI 3.1 page, made from the contracts: their paths, messages, rules and comments.

`python -m gateway openapi` writes `openapi.json` beside this package, which is committed and which Envoy
serves at /openapi.json; `--check` says whether it is what the contracts give.
"""
