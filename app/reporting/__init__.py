"""Usage, audit and PolicyReports."""
