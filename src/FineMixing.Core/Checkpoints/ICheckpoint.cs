namespace FineMixing.Checkpoints;

/// <summary>A named collection of tensors that can be read piece by piece: a file, several shards, an adapter on its base, or memory.</summary>
public interface ICheckpoint : IDisposable
{
    /// <summary>Where it comes from, for messages: a folder, a file, or a description.</summary>
    string Location { get; }

    /// <summary>The files the tensors are read from, full paths; empty when it lives in memory. Hashed for provenance.</summary>
    IReadOnlyList<string> Files { get; }

    /// <summary>All tensors, in the order they are stored.</summary>
    IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>Free text attached to the checkpoint (the safetensors <c>__metadata__</c>).</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Finds a tensor by its exact name.</summary>
    bool TryGetTensor(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TensorInfo? tensor);

    /// <summary>Reads bytes of one tensor (little-endian, row-major). Safe to call from several threads.</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="byteOffset">First byte within the tensor.</param>
    /// <param name="destination">Filled completely.</param>
    /// <exception cref="CheckpointFormatException">The file is shorter than it was when opened, or cannot be read.</exception>
    void Read(TensorInfo tensor, long byteOffset, Span<byte> destination);

    /// <summary>Checks that length and modification time of the files are what they were when opened; nothing to check in memory. Call it after the last read.</summary>
    /// <exception cref="CheckpointFormatException">A file was changed.</exception>
    void EnsureUnchanged()
    {
    }
}
