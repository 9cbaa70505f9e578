using System.Runtime.InteropServices;
using FineMixing.Mixing;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>Touched native memory with random numbers, split among threads by chunks.</summary>
/// <remarks>As F32 or BF16 they lie between 0.03 and 0.06, as weights do, with either sign; as F16 between 1.2 and 1.4. Numbers of any size would mean arithmetic beside the normal range, which is slow on some processors.</remarks>
internal sealed unsafe class Memory : IDisposable
{
    private const int ChunkBytes = 1 << 20;
    private readonly byte* _pointer;

    public Memory(long length, ulong seed)
    {
        Length = length;
        _pointer = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
        var key = RandomMask.TensorKey(seed, "memory");
        Chunks(Environment.ProcessorCount, (start, count) =>
        {
            var words = MemoryMarshal.Cast<byte, ulong>(Span(start, count));
            for (var i = 0; i < words.Length; i++)
                words[i] = (MaskKernels.Word(key, (ulong)(start / 8) + (ulong)i) & 0x807F_807F_807F_807F) | 0x3D00_3D00_3D00_3D00;
        });
    }

    public long Length { get; }

    public Span<byte> Span(long start, int count) => new(_pointer + start, count);

    public void Chunks(int threads, Action<long, int> body) =>
        WorkerThreads.Run(Starts(), threads, start => body(start, (int)Math.Min(ChunkBytes, Length - start)), CancellationToken.None);

    public void Dispose() => NativeMemory.AlignedFree(_pointer);

    private IEnumerable<long> Starts()
    {
        for (long start = 0; start < Length; start += ChunkBytes)
            yield return start;
    }
}
