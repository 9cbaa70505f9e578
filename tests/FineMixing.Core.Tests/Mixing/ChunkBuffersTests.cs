using System.Runtime.InteropServices;
using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

public class ChunkBuffersTests
{
    [Fact]
    public unsafe void Get_AnyOffsets_LiesNotJustBehindThemInAPage()
    {
        using var buffers = new ChunkBuffers(2);
        for (var i = 0; i < 2000; i++)
        {
            var (source, target) = (i * 8L, i * 24L + 1024);
            var memory = buffers.Get(i % 2, 5000 + i, source, target);
            Assert.Equal(5000 + i, memory.Length);
            fixed (byte* start = memory.Span)
            {
                Assert.False(((long)start - source & 4095) is > 0 and < 32, $"read from {source}");
                Assert.False((target - (long)start & 4095) is > 0 and < 32, $"written from {source} to {target}");
            }
        }
    }
}
