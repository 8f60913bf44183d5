"""What somebody might change behind the tool's back: every managed field of every resource, one at a time.

Each case has a subject, a role or a profile of its own, so that one plan shows them all and one apply mends them.
"""
