# SPDX-License-Identifier: Apache-2.0
# Completion of idsyncctl for bash: verbs, options, and what the daemon knows: hashes, numbers, targets.
# shellcheck shell=bash

_idsyncctl_held() {
    busctl get-property org.idsyncd1 /org/idsyncd1 org.idsyncd1 Held 2> /dev/null | grep -oE '[0-9a-f]{12}"' | tr -d '"'
}

_idsyncctl_targets() {
    idsyncctl targets --json 2> /dev/null | grep -oE '"name":"[^"]*"' | cut -d '"' -f 4
}

_idsyncctl_ids() {
    idsyncctl queue --json "$@" 2> /dev/null | grep -oE '"id":[0-9]+' | cut -d : -f 2
}

_idsyncctl_cycles() {
    idsyncctl history --json 2> /dev/null | grep -oE '"cycle":[0-9]+' | cut -d : -f 2 | sort -nu
}

_idsyncctl_files() {
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_idsyncctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' word words
    # readline takes --target=T for three words
    if [[ $current == = ]]; then
        current=''
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            -*) ;;
            *) verb=$word; break ;;
        esac
    done
    if [[ $previous == --target ]]; then
        words=$(_idsyncctl_targets)
    elif [[ $previous == -o || $previous == --output ]]; then
        _idsyncctl_files "$current"
        return
    elif [[ $current == -* ]]; then
        words='--json --help --version'
        [[ $verb != orphans ]] || words+=' --csv'
        [[ $verb != queue ]] || words+=' --dead'
        [[ $verb != sync ]] || words+=' --full --target --wait'
        [[ $verb != plan ]] || words+=' --output'
        [[ $verb != reset ]] || words+=' --target'
    else
        case $verb in
            '') words='status targets plan explain queue history orphans check health approve apply reject revert retry drop pause resume sync reset backup' ;;
            approve | reject) words=$(_idsyncctl_held) ;;
            revert) words=$(_idsyncctl_cycles) ;;
            retry) words=$(_idsyncctl_ids --dead) ;;
            drop) words="$(_idsyncctl_ids) $(_idsyncctl_ids --dead)" ;;
            plan | pause | resume) words=$(_idsyncctl_targets) ;;
            apply | backup) _idsyncctl_files "$current"; return ;;
            *) words='' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _idsyncctl idsyncctl
