"""READ HOSPITAL DATA into the timeline. Sources do not know one another."""
