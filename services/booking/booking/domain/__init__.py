"""What an appointment, a package and a policy are: pure functions of values, with the instant as argument."""
