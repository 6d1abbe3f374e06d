"""Other people's servers over HTTP."""
