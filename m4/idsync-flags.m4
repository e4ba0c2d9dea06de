# SPDX-License-Identifier: Apache-2.0

# IDSYNC_CFLAG(VARIABLE, FLAG): adds FLAG to VARIABLE if the compiler takes it without a warning.
AC_DEFUN([IDSYNC_CFLAG], [
        AS_VAR_PUSHDEF([cache], [idsync_cv_cflag_$2])
        AC_CACHE_CHECK([whether $CC takes $2], [cache], [
                idsync_saved_cflags=$CFLAGS
                CFLAGS="$CFLAGS -Werror $2"
                AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
                CFLAGS=$idsync_saved_cflags
        ])
        AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
        AS_VAR_POPDEF([cache])
])

# IDSYNC_LDFLAG(VARIABLE, FLAG): adds FLAG to VARIABLE if a program links with it.
AC_DEFUN([IDSYNC_LDFLAG], [
        AS_VAR_PUSHDEF([cache], [idsync_cv_ldflag_$2])
        AC_CACHE_CHECK([whether the linker takes $2], [cache], [
                idsync_saved_cflags=$CFLAGS
                idsync_saved_ldflags=$LDFLAGS
                CFLAGS="$CFLAGS $HARDENING_CFLAGS"
                LDFLAGS="$LDFLAGS -Werror $2"
                AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
                CFLAGS=$idsync_saved_cflags
                LDFLAGS=$idsync_saved_ldflags
        ])
        AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
        AS_VAR_POPDEF([cache])
])

# IDSYNC_OPTIMISING: sets idsync_optimising to yes if CFLAGS ask for optimisation (_FORTIFY_SOURCE warns without it).
AC_DEFUN([IDSYNC_OPTIMISING], [
        AC_CACHE_CHECK([whether the compiler optimises], [idsync_cv_optimising], [
                AC_COMPILE_IFELSE([AC_LANG_SOURCE([
#ifndef __OPTIMIZE__
#error "no optimisation"
#endif
                ])], [idsync_cv_optimising=yes], [idsync_cv_optimising=no])
        ])
        idsync_optimising=$idsync_cv_optimising
])
