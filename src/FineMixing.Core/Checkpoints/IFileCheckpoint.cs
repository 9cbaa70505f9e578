using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace FineMixing.Checkpoints;

/// <summary>A checkpoint whose tensors lie as plain bytes in files, so that they can be read without going through this library's buffers.</summary>
public interface IFileCheckpoint : ICheckpoint
{
    /// <summary>Finds the file and the absolute offset of a tensor's first byte.</summary>
    /// <param name="tensor">One of the checkpoint's tensors.</param>
    /// <param name="handle">The open file; owned by the checkpoint.</param>
    /// <param name="fileOffset">The first byte of the tensor in that file.</param>
    /// <returns>False if the tensor is not in this checkpoint.</returns>
    bool TryGetFileSegment(TensorInfo tensor, [NotNullWhen(true)] out SafeFileHandle? handle, out long fileOffset);
}
