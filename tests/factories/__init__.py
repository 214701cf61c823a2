"""What tests are made of: synthetic trials, findings for reports, run folders, and small Django projects."""
