# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion for moshrelay(1): commands, options, and the identifiers of one's own sessions.

_moshrelay()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' socket='' words='' i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) socket=${COMP_WORDS[++i]} ;;
		-*) ;;
		*) [[ $command ]] || command=${COMP_WORDS[i]} ;;
		esac
	done
	case $previous in
	-s | --socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--user)
		mapfile -t COMPREPLY < <(compgen -u -- "$current")
		return
		;;
	--state) words='waiting active silent closing' ;;
	--sort)
		words='id owner label state public target opened_at last_client_at last_target_at'
		words+=' datagrams bytes lost reordered roams'
		;;
	--idle | --label | --client | --target | --wait) return ;;
	*)
		case $command in
		'') words='open close list show top watch stats status doctor policy drain detach hop
			--socket --json --help --version' ;;
		open) words='--idle --label --client' ;;
		close | show | watch)
			words=$(moshrelay ${socket:+-s "$socket"} list 2>/dev/null | awk 'NR > 1 {print $1}')
			;;
		list) words='--user --target --state --sort' ;;
		stats) words='--all' ;;
		status) words='--wait' ;;
		drain) words='--off' ;;
		hop) words='--label --idle --server --ssh' ;;
		esac
		[[ $command ]] && words+=' --json --help'
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _moshrelay moshrelay
