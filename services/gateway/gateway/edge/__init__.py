"""The JSON edge: Envoy asks it about every JSON request before transcoding it.

Envoy's transcoder ignores unknown fields of a body and tells malformed JSON badly, so the edge reads path,
query and body strictly against the contract and refuses with a body that names the field. What it lets
through passes untouched; the contract's rules (lengths, ranges) stay with the services, as over gRPC.
"""
