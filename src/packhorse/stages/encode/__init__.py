"""stages/encode"""
