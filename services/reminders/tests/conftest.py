"""What the tests of reminders share."""
