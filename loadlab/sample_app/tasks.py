"""Where Django's task libraries look for an app's tasks: those of the library that this process works with."""

import os

from loadlab.sample_app.work import LIBRARY, library

if LIBRARY in os.environ:
    library(os.environ[LIBRARY])
