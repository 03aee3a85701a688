"""Token files and the encoding of plain text, shared by the stage that packs and the stages that train."""
