# Makes postconf.5 from lib/config/params.def; -v config=, daemon=, command=
# and version= are the directories and the version that were configured.

function text_of(s) {
	gsub(/\\"/, "\"", s)
	gsub(/\\\\/, "\\", s)
	gsub(/\\/, "\\e", s)
	return s
}

function directory(s) {
	gsub(/CONFIG_DIRECTORY/, "\"" config "\"", s)
	gsub(/DAEMON_DIRECTORY/, "\"" daemon "\"", s)
	gsub(/COMMAND_DIRECTORY/, "\"" command "\"", s)
	gsub(/PACKAGE_VERSION/, "\"" version "\"", s)
	gsub(/" *"/, "", s)
	return s
}

# "abc" -> abc, and what follows into `rest`; two in a row were joined.
function take_string(s,   i, c) {
	sub(/^[^"]*"/, "", s)
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "\\")
			i++
		else if (c == "\"")
			break
	}
	rest = substr(s, i + 1)
	return substr(s, 1, i - 1)
}

function unit_of(value,   i, row, c) {
	for (i = 0; i < 8 && value ~ /^\$[a-z0-9_]+$/; i++)
		value = defaults[substr(value, 2)]
	c = substr(value, length(value), 1)
	if (c in units)
		return units[c]
	return "seconds"
}

function finish(row,   name, type, value, mark, doc) {
	name = row
	sub(/^PARAM\(/, "", name)
	sub(/,.*/, "", name)
	sub(/^PARAM\([^,]*, */, "", row)
	type = row
	sub(/,.*/, "", type)
	sub(/^[^,]*, */, "", row)
	if (row !~ /^"/)
		row = directory(row)
	if (row ~ /^"" *"/)
		sub(/^"" */, "", row)
	value = take_string(row)
	row = rest
	sub(/^, */, "", row)
	mark = row
	sub(/,.*/, "", mark)
	sub(/^[^,]*, */, "", row)
	doc = ""
	while (row ~ /"/) {
		doc = doc take_string(row)
		row = rest
	}
	if (name ~ /^p[0-9]/)
		name = substr(name, 2)
	count++
	names[count] = name
	types[name] = type
	defaults[name] = value
	marks[name] = mark
	docs[name] = doc
}

# "smtpd lmtpd" -> "Read by smtpd and lmtpd."
function print_readers(name,   i, n, words, text) {
	n = split(readers[name], words, " ")
	for (i = 1; i <= n; i++) {
		if (words[i] == "all")
			words[i] = "all programs"
		if (words[i] == "daemons")
			words[i] = "all daemons"
		text = text (i == 1 ? "" : i == n ? " and " : ", ") words[i]
	}
	if (n > 0)
		print "Read by " text "."
}

function print_default(value) {
	print "(default: " (value == "" ? "empty" : text_of(value)) ")"
	print ".Pp"
}

BEGIN {
	units["s"] = "seconds"; units["m"] = "minutes"; units["h"] = "hours"
	units["d"] = "days"; units["w"] = "weeks"
	kinds["STRING"] = ""
	kinds["RAW"] = "Text; $name is expanded where it is used."
	kinds["LIST"] = "A list."
	kinds["MAPS"] = "A list of lookup tables."
	kinds["ENUM"] = "One of a few words."
	kinds["BOOL"] = "yes or no."
	kinds["INT"] = "A number."
	kinds["SIZE"] = "A number of octets."
	says["GUARD"] = "Not supported yet: mail that it would concern is refused for now."
	says["LATER"] = "Not supported yet; without effect."
	says["NOTHING"] = "Accepted; it has no meaning here."
}

/^READERS\(/ {
	name = $0
	sub(/^READERS\(/, "", name)
	sub(/,.*/, "", name)
	if (name ~ /^p[0-9]/)
		name = substr(name, 2)
	sub(/^[^"]*"/, "")
	sub(/".*/, "")
	readers[name] = $0
}

/^PARAM\(/ { row = "" ; inside = 1 }
inside {
	line = $0
	sub(/^[ \t]+/, " ", line)
	row = row line
	if (line ~ /\)$/) {
		inside = 0
		finish(row)
	}
}

END {
	for (i = 1; i <= count; i++) {
		name = names[i]
		if (name ~ /^transport_/ && defaults[name] ~ /^\$/) {
			patterns[++pattern_count] = name
			continue
		}
		print ".It Ic " name
		print_default(defaults[name])
		print text_of(docs[name]) "."
		if (types[name] == "SPAN")
			print "A time; a number without unit is in " \
				unit_of(defaults[name]) "."
		else if (kinds[types[name]] != "")
			print kinds[types[name]]
		if (marks[name] in says)
			print says[marks[name]]
		print_readers(name)
	}
	print ".El"
	print ".Ss Parameters of one transport"
	print "A transport may have its own value of each of these:"
	print ".Ar transport"
	print "stands for its name in"
	print ".Xr master 5 ."
	print ".Bl -tag -width Ds"
	for (i = 1; i <= pattern_count; i++) {
		name = patterns[i]
		print ".It Ar transport Ns Ic " substr(name, 10)
		print_default(defaults[name])
		print text_of(docs[name]) "."
		if (marks[name] in says)
			print says[marks[name]]
		print_readers(name)
	}
	print ".El"
	while ((getline line < foot) > 0)
		print line
}
