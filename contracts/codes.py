"""Stable result codes of transactions. A number never changes its meaning."""

from __future__ import annotations

from enum import IntEnum

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Code(IntEnum):
    """0 is success; below 100 the engine speaks, from 100 on a contract."""

    OK = 0
    UNKNOWN_SENDER = 1
    SENDER_NOT_ACTIVE = 2
    WRONG_KEY = 3
    EXPIRED = 4
    TOO_FAR_AHEAD = 5
    UNKNOWN_CONTRACT = 6
    UNKNOWN_METHOD = 7
    BAD_ARGUMENT = 8
    TOO_MANY_EVENTS = 9
    TOO_LARGE = 10
    OUT_OF_GAS = 11
    BLOCK_OUT_OF_GAS = 12
    CONTRACT_FAULT = 13
    REFUSED_BY_CONTRACT = 14
    UNKNOWN_OPERATOR = 15
    OPERATOR_NOT_ACTIVE = 16
    NEEDS_DUTY = 17
    DUTY_LAPSED = 18
    NEEDS_SECOND = 19
    NOT_OWNER = 100
    EXISTS = 101
    NOT_FOUND = 102
    WRONG_VERSION = 103
    WRONG_DIGEST = 104
    LEVEL_TOO_LOW = 105
    CLASS_TOO_LOW = 106
    RETIRED = 107
    DESTROYED = 108
    NOT_LATER = 109
    LOCKS_OUT = 120
    NOT_VOTER = 121
    ALREADY_VOTED = 122
    VOTE_CLOSED = 123
    TOO_MANY_PROPOSALS = 124
    KEY_IN_USE = 125
    WRONG_STATUS = 126
    WRONG_TIER = 127
    OWN_REQUEST = 128
    TOO_MANY_OPERATORS = 129
    TOO_MANY_REQUESTS = 130
    NO_CONTRADICTION = 131
    BAD_SOURCE = 140
    TOO_MANY_CONTRACTS = 141
    NOT_ACTIVE = 150
    NO_SUPERVISOR = 151
    NOT_PARTY = 152
    GRANT_NOT_BEGUN = 160
    GRANT_EXPIRED = 161
    GRANT_ENDED = 162
    GRANT_PAUSED = 163
    OFF_HOURS = 164
    QUOTA_EXCEEDED = 165
    NO_PERMIT = 166
    SANCTIONED = 167
    NOT_REVIEWER = 168
    TOO_MANY_WAITING = 169
    NEEDS_NEW_REQUEST = 170
    TOO_MANY_POLICIES = 171
    NOT_REGISTRAR = 190
    NEEDS_ROLE = 191
    NOT_IN_FORCE = 192
    BAD_ENVELOPE = 193
    NO_USE_BY_LAW = 194
    NO_AGREEMENT = 200
    FOREIGN_CUSTODY = 201
    TOO_LATE = 202
    TOO_MANY_CUSTODIANS = 203
    NOT_SERVER = 210
    BAD_HEADER = 211
    NOT_LAST = 212
    NOT_SUPERIOR = 260
    NOT_RECIPIENT = 261
    TOO_MANY_PLANS = 262
    NOT_SUPERVISOR = 280
    OWN_CASE = 281
    NOT_PARTY_OF_CASE = 282
    TOO_MANY_STEPS = 283
    APPEAL_OVER = 284
    TOO_MANY_ALERTS = 300


NAMES = {code: code.name.replace("_", "-").translate(_LOWER) for code in Code}
"""How a code is written in RPC answers and logs."""
