"""All of Giro on one machine with one command: servers, services as processes, the demo, a transcript."""
