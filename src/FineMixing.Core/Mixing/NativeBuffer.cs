using System.Buffers;
using System.Runtime.InteropServices;

namespace FineMixing.Mixing;

/// <summary>Memory outside the collected heap: buffers of a megabyte there would make the collector run in the middle of the mixing, and keep what it moved.</summary>
/// <param name="length">Bytes; what they hold is left over.</param>
internal sealed unsafe class NativeBuffer(int length) : MemoryManager<byte>
{
    private byte* _bytes = (byte*)NativeMemory.Alloc((nuint)length);

    /// <summary>Where it begins.</summary>
    public nint Address => (nint)_bytes;

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_bytes is null, this);
        return new(_bytes, length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new(_bytes + elementIndex);

    /// <inheritdoc/>
    public override void Unpin()
    {
        // It does not move.
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        NativeMemory.Free(_bytes);
        _bytes = null;
    }
}
