using FineMixing.Provenance;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Mixing;

/// <summary>A file that is written, how far, its hash when one is made, and whether it is to be flushed.</summary>
internal sealed record OutputFile(SafeFileHandle Handle, HashChain? Hash, WrittenFront Front, bool Flush);
