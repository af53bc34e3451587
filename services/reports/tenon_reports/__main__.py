from tenon_reports.app import APP
from tenon_rpc.process import main

main(APP)
