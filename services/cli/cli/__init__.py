"""`giro`: what an operator, a supervisor or a site engineer does at a terminal, over the gateway only."""
