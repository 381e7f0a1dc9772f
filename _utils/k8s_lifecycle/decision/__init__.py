"""Pure decisions: from spec and facts to a plan."""
