using System.Globalization;
using System.Runtime.Intrinsics.X86;
using FineMixing.FineTuning;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>What the machine can do.</summary>
internal static class Hardware
{
    private static int _said;

    /// <summary>True where the CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX-BF16).</summary>
    public static bool CpuHasBFloat16 { get; } = DetectBFloat16();

    /// <summary>Finds a device by name.</summary>
    /// <exception cref="ArgumentException">The device does not exist here.</exception>
    public static Device Device(string name)
    {
        Native.TorchRuntime.EnsureLoaded();
        if (name == "cpu")
            return CPU;
        var index = 0;
        if (name != "cuda" && !(name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out index)))
            throw new ArgumentException($"Device is '{name}'; expected cpu, cuda or cuda:N.");
        if (!cuda.is_available())
            throw new ArgumentException($"Device is '{name}', but no CUDA device is available: reference TorchSharp-cuda-linux or TorchSharp-cuda-windows, or on Linux name a libtorch with CUDA in FINEMIXING_LIBTORCH, and check the driver; or use cpu.");
        return index < cuda.device_count()
            ? new Device(DeviceType.CUDA, index)
            : throw new ArgumentException($"Device is '{name}', but this machine has {cuda.device_count()} CUDA devices, numbered from 0.");
    }

    /// <summary>Whether matrix products run in bfloat16.</summary>
    public static bool UseBFloat16(Precision precision, Device device, ILogger? logger)
    {
        var supported = device.type == DeviceType.CUDA || CpuHasBFloat16;
        if (precision == Precision.BFloat16 && !supported && logger is not null && Interlocked.Exchange(ref _said, 1) == 0)
            logger.LogWarning("This CPU has no bfloat16 matrix products (AVX512-BF16 or AMX); single precision is used.");
        return precision != Precision.Float32 && supported;
    }

    private static bool DetectBFloat16()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
            return false;
        var hasAvx512 = Avx512F.IsSupported;
        var avx512Bf16 = (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
        var amxBf16 = (X86Base.CpuId(7, 0).Edx & (1 << 22)) != 0;
        return hasAvx512 && (avx512Bf16 || amxBf16);
    }
}
