from tenon_rpc.process import main
from tenon_tenancy.app import APP

main(APP)
