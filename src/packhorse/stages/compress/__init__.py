"""stages/compress"""
