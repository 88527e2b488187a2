"""`python -m mech_exo_assets.cli` is `mech-exo`."""

import sys

from mech_exo_assets.cli.main import main

sys.exit(main())
