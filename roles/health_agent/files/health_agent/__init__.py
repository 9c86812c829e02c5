# SPDX-License-Identifier: Apache-2.0
"""The agent of a front-end: it watches its own oned, database and disk and its peers' agents, and answers from memory.

Python 3.9, the standard library and pymysql. The package `zone` beside it is the collection's own judgement.
"""
