"""rawechoctl: the control tool of rawechod."""
