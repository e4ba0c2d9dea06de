# SPDX-License-Identifier: Apache-2.0

# IDSYNC_CURL_ASYNCHDNS: refuses a libcurl that resolves names inside the event loop. The library's own word counts;
# when cross-compiling, what its pkg-config file says.
AC_DEFUN([IDSYNC_CURL_ASYNCHDNS], [
        AC_CACHE_CHECK([whether libcurl resolves names asynchronously], [idsync_cv_curl_asynchdns], [
                idsync_saved_cflags=$CFLAGS
                idsync_saved_libs=$LIBS
                CFLAGS="$CFLAGS $CURL_CFLAGS"
                LIBS="$CURL_LIBS $LIBS"
                AC_RUN_IFELSE([AC_LANG_PROGRAM([[#include <curl/curl.h>]], [[
                        return curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS ? 0 : 1;
                ]])], [idsync_cv_curl_asynchdns=yes], [idsync_cv_curl_asynchdns=no], [
                        AS_CASE([" `$PKG_CONFIG --variable=supported_features libcurl` "],
                                [*" AsynchDNS "*], [idsync_cv_curl_asynchdns=yes], [idsync_cv_curl_asynchdns=no])
                ])
                CFLAGS=$idsync_saved_cflags
                LIBS=$idsync_saved_libs
        ])
        AS_IF([test "x$idsync_cv_curl_asynchdns" != xyes], [
                AC_MSG_ERROR([this libcurl has no asynchronous resolver (AsynchDNS): a slow DNS server would stop the
daemon. Use a libcurl built with its threaded resolver or with c-ares.])
        ])
])
