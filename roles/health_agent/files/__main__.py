# SPDX-License-Identifier: Apache-2.0
"""python3 -I <this folder> CONFIG: Python then looks for the package and for the judgement in the folder itself."""

import sys

from health_agent.service import main

sys.exit(main(sys.argv[1:]))
