"""stages/base64"""
