# SPDX-License-Identifier: Apache-2.0
"""python3 -I <this folder> CONFIG: Python then looks for the package and for the judgement in the folder itself."""

import sys

# pymysql would load it for passwords, which a socket does not need: 8 MB.
sys.modules["cryptography"] = None  # type: ignore[assignment]

from health_agent.service import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
