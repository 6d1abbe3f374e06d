"""What reminders asks of others: providers of calls and messages."""
