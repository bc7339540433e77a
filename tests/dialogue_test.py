"""Dialogues of smtpd in stand-alone mode: dialogue/*.txt."""
import os
import sys

import instance

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = HERE + "/dialogue/run"
os.execv(sys.executable, [sys.executable, RUN, instance.LIBEXEC + "/smtpd"])
