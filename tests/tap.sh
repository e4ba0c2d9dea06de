#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a test program for automake's TAP driver. Of a skipped test cmocka 1.1.5 says "not ok", which TAP knows as a failure.
exec 4>&1
status=$({
    {
        "$@" 3>&- 4>&-
        echo $? >&3
    } | sed -u 's/^not ok \([0-9]*\) # SKIP/ok \1 # SKIP/' >&4
} 3>&1)
exit "$status"
