# Ask the program for its options.
_ganeti_confd() {
	local cur prev options what
	_init_completion -s || return
	options=$(ganeti-confd --help-completion 2>/dev/null)
	what=$(awk -v option="$prev" '{split($1, names, ","); for (i in names) if (names[i] == option) print $2}' <<<"$options")
	case $what in
	file) _filedir ;;
	inetaddr) _ip_addresses -a ;;
	choices=*) mapfile -t COMPREPLY < <(compgen -W "$(tr , ' ' <<<"${what#*=}")" -- "$cur") ;;
	none | "") mapfile -t COMPREPLY < <(compgen -W "$(awk '{gsub(",", " ", $1); print $1}' <<<"$options")" -- "$cur") ;;
	esac
}
complete -F _ganeti_confd ganeti-confd
