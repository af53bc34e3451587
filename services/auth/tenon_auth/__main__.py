from tenon_auth.app import APP
from tenon_rpc.process import main

main(APP)
