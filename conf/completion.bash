# Completion of the suite's commands, for bash, and for zsh by its bashcompinit.
# What there is, the commands say themselves: verbs and options stand in their
# --help, parameters and types of tables come from postconf.

# Of "  start    start; returns when ...".
_posthorn_verbs()
{
	"$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
}

# -a and -b of "[-ab]", -c of "[-c directory]", each with its dash.
_posthorn_options()
{
	"$1" --help 2>&1 | sed -n '/^usage: /{y/[]|/\n\n\n/;p;}' |
		sed -n 's/^ *-\([A-Za-z0-9#]\{1,\}\)\( .*\)\{0,1\}$/\1/p' |
		fold -w 1 | LC_ALL=C sort -u | sed 's/^/-/'
}

_posthorn_ids()
{
	postqueue -j 2>/dev/null |
		sed -n 's/.*"queue_id": *"\([A-Za-z0-9]*\)".*/\1/p'
}

# What may stand behind `posthorn VERB`.
_posthorn_behind()
{
	local selection="--from --to --domain --older --newer --reason --queue
		--size --all --json --dry-run"

	case $1 in
	check) echo sandbox ;;
	explain) echo --from --client --helo --json ;;
	migrate-tables) echo --dry-run ;;
	status) echo --json ;;
	mailbox) echo verify quick-verify rebuild ;;
	tls) echo enable-client enable-server new-server-key new-server-cert \
		deploy-server-cert output-server-csr output-server-tlsa \
		all-default-client all-default-server ;;
	user) echo add passwd delete list ;;
	queue) echo list show hold release delete requeue expire import export ;;
	queue-list | queue-show | queue-hold | queue-release | queue-delete | \
		queue-requeue | queue-expire) echo $selection; _posthorn_ids ;;
	esac
}

# The verbs among the words before this one, in $verb: "queue-hold".
_posthorn_find_verb()
{
	local i=1 word

	verb=
	while [ $i -lt $COMP_CWORD ]; do
		word=${COMP_WORDS[$i]}
		case $word in
		-c) i=$((i + 1)) ;;
		-*) ;;
		*)
			case $verb in
			'') verb=$word ;;
			queue) verb=queue-$word ;;
			esac
			;;
		esac
		i=$((i + 1))
	done
}

_posthorn()
{
	local command=${COMP_WORDS[0]} cur=${COMP_WORDS[$COMP_CWORD]}
	local prev=${COMP_WORDS[$((COMP_CWORD - 1))]} list= verb=
	local name=${command##*/}

	COMPREPLY=()
	case $name:$prev in
	*:-c)
		COMPREPLY=($(compgen -d -- "$cur"))
		return ;;
	postsuper:-[defhHr]) list="ALL $(_posthorn_ids)" ;;
	postmulti:-e) list="init create import destroy deport enable disable
		assign" ;;
	postmulti:-i) list="- $(postmulti -l 2>/dev/null |
		sed -n 's/^\(postfix-[^ ]*\) .*/\1/p')" ;;
	postmulti:-p) list=$(_posthorn_verbs posthorn) ;;
	postqueue:-i | postcat:-q) list=$(_posthorn_ids) ;;
	posthorn:* | postfix:*)
		_posthorn_find_verb
		if [ -n "$verb" ]; then
			list=$(_posthorn_behind "$verb")
		elif [ "${cur#-}" = "$cur" ]; then
			list=$(_posthorn_verbs "$command")
		fi ;;
	esac
	case $cur:$name in
	-*) [ -n "$list" ] || list=$(_posthorn_options "$command") ;;
	*:postconf) list=$(postconf -H 2>/dev/null) ;;
	*:postmap | *:postalias) [ -n "$list" ] ||
		list=$(postconf -m 2>/dev/null | sed 's/$/:/') ;;
	esac
	COMPREPLY=($(compgen -W "$list" -- "$cur"))
}

complete -o default -F _posthorn posthorn postfix postqueue postsuper postconf \
	postmap postalias postcat postlog postlock postkick postdrop qshape \
	postmulti posttls-finger smtp-source smtp-sink
